"""Rolling a database back by restoring an archive: the last resort."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.config.targets.database import RestoreTarget
from bot.domain.plan import Candidate, Plan
from bot.errors import ConfigurationError, NotFoundError, RefusedError
from bot.ports.world import World
from strategies.planning.database.restore_checks import Restore, preflights
from strategies.planning.database.restore_steps import restore_steps
from strategies.planning.database.writer_steps import downtime
from strategies.postgres.archives import Archive, Unreadable, checksum, read_archives
from strategies.postgres.client import Session, listed
from strategies.postgres.migrations import plain
from strategies.postgres.questions import ask
from strategies.postgres.server import databases
from strategies.postgres.versions import Applied, digest, read_applied
from strategies.preflights.writers import record_writers
from strategies.targets import Option, choose, rated

SWAP_SECONDS = 5.0


def newest(versions: Sequence[str]) -> str:
    """The newest version: numbers by their size, anything else by its text."""
    return max(versions, key=lambda one: (int(plain(one)) if one.isdigit() else -1, one))


@dataclass(frozen=True, kw_only=True)
class Archives:
    """The live schema and what could take its place."""

    target: RestoreTarget
    session: Session
    applied: Applied
    good: tuple[Archive, ...]
    bad: tuple[Unreadable, ...]

    @property
    def live(self) -> str:
        """The live schema as a release."""
        return f"schema {newest(self.applied.stored)}"

    def release(self, archive: Archive) -> str:
        """An archive of the live schema is another release all the same: its data are older."""
        schema = f"schema {newest(archive.versions)}"
        when = f" ({archive.created_at:%Y-%m-%d %H:%M} UTC)"
        return schema + when if schema == self.live else schema

    def options(self) -> list[Option]:
        """One for each readable archive, the newest first."""
        return [
            Option(
                candidate=Candidate(
                    release=self.release(one),
                    detail=f"{one.name}, made {one.created_at:%Y-%m-%d %H:%M:%S} UTC",
                ),
                aliases=frozenset({one.name, newest(one.versions), *self._releases_of(one)}),
            )
            for one in self.good
        ]

    def _releases_of(self, archive: Archive) -> list[str]:
        version = plain(newest(archive.versions))
        return [name for name, schema in self.target.releases.items() if plain(schema) == version]


async def read(target: RestoreTarget, world: World) -> Archives:
    """The live schema and all archives."""
    session = Session(database=target.database, connection=target.connection)
    applied = await read_applied(session, target.version, world)
    good, bad = await read_archives(
        session, target.version, world, directory=target.directory, pattern=target.pattern
    )
    return Archives(target=target, session=session, applied=applied, good=good, bad=bad)


async def plan_restore(
    target: RestoreTarget,
    name: str,
    world: World,
    *,
    wanted: str | None,
    marked_bad: frozenset[str],
    known_good: Sequence[str],
) -> Plan:
    """Refuses without a readable archive, or when data are sound and the schema is the same."""
    archives = await read(target, world)
    _refuse_the_unreadable(archives, wanted)
    options = archives.options()
    good = tuple(
        f"schema {target.releases[one]}" if one in target.releases else one for one in known_good
    )
    choice = choose(
        options, live=archives.live, target=wanted, marked_bad=marked_bad, known_good=good
    )
    restore = await _known(archives, archives.good[options.index(choice.option)], world)
    same = archives.live == f"schema {newest(restore.archive.versions)}"
    if wanted is None and restore.answers.corrupted is False and same:
        raise RefusedError(
            f"Nothing to do: no check finds corrupted data in {target.database}, and the archive "
            "holds the same schema.",
            "Roll back the application alone. Name an archive to restore it all the same.",
        )
    found = await preflights(restore, archives.bad, world)
    steps = restore_steps(restore)
    candidates = tuple(one.candidate for one in options)
    now = world.clock.now()
    return Plan(
        service=name,
        strategy="database",
        from_release=archives.live,
        to_release=choice.option.candidate.release,
        version_after="",
        steps=steps,
        preflights=(choice.preflight, *found),
        not_reversible=("after an undo: what was written to the restored database since the swap",),
        not_restored=(
            "the release of the application: roll it back first",
            "roles, replication slots and subscriptions of the server",
            f"the old database: it stays as {restore.aside}, closed; drop it when it is not needed",
        ),
        data_loss=f"Everything written to {target.database} after "
        f"{restore.archive.created_at:%Y-%m-%d %H:%M:%S} UTC, until the swap; it stays in "
        f"{restore.aside} only",
        downtime=downtime(restore.writers, SWAP_SECONDS),
        candidates=rated(candidates, marked_bad=marked_bad, known_good=good),
        approvers=2,
        typed_confirmation=target.database,
        observed={
            "database": target.database,
            "oid": restore.live.oid,
            "versions": archives.applied.digest,
            "archive": restore.archive.name,
            "sha256": restore.sha256,
        },
        observed_at=now,
    )


def _refuse_the_unreadable(archives: Archives, wanted: str | None) -> None:
    for one in archives.bad:
        if wanted == one.name:
            raise RefusedError(f"{one.why}", "Choose another archive.")
    if not archives.good:
        why = listed([one.why for one in archives.bad]) if archives.bad else "there is no file."
        raise RefusedError(
            f"No archive in {archives.target.directory} can be restored: {why}",
            "Without a backup only down migrations or a repair by hand are left.",
        )


async def _known(archives: Archives, archive: Archive, world: World) -> Restore:
    target, session = archives.target, archives.session
    maintenance = session.at(target.maintenance_database)
    if target.maintenance_database == target.database:
        raise ConfigurationError("maintenance_database must be another one than database.")
    found = await databases(maintenance, world)
    live = found.get(target.database)
    if live is None:
        raise NotFoundError(f"There is no database {target.database} on this server.")
    version = newest(archive.versions)
    needs = {plain(key): value for key, value in target.needs.items()}.get(plain(version), ())
    return Restore(
        target=target,
        session=session,
        maintenance=maintenance,
        applied=archives.applied,
        archive=archive,
        sha256=await checksum(archive.path),
        versions=digest(archive.versions),
        version=version,
        needs=needs,
        live=live,
        found=found,
        answers=await ask(session, world, ups=(), needs=needs, checks=target.checks),
        writers=await record_writers(world, target.writers),
    )
