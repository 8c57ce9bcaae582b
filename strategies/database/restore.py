"""Rolling a database back by restoring an archive: the last resort."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from bot.core.errors import ConfigurationError, NotFoundError, RefusedError
from bot.core.values import Value
from bot.engine.world import World
from bot.incident.plan import Candidate, Concern, Milestone, Plan, Step, StepSpec
from strategies.common.choice import Option, choose, rated
from strategies.database.archives import Archive, Unreadable, checksum, read_archives
from strategies.database.client import Session, listed
from strategies.database.restore_checks import Restore, preflights
from strategies.database.restore_steps import (
    CompareRestored,
    CompareRestoredParams,
    KeepDatabase,
    KeepDatabaseParams,
    RestoreArchive,
    RestoreArchiveParams,
    createdb,
    pg_restore,
)
from strategies.database.server import ask, databases
from strategies.database.steps import (
    AssessDatabaseParams,
    VerifyDatabase,
    VerifyDatabaseParams,
    assess_step,
    check_command,
)
from strategies.database.swap_databases import SwapDatabases, SwapDatabasesParams, swap_script
from strategies.database.target import RestoreTarget
from strategies.database.versions import Applied, digest, plain, read_applied
from strategies.database.writers import downtime, record_writers, start_steps, stop_steps

# The steps of a restore.

_RESTORE_SECONDS = 300.0


def restore_steps(restore: Restore) -> tuple[Step, ...]:
    """Restore beside, compare, stop the writers, swap, verify, start the writers, look again.

    Nothing live is touched before the writers are stopped.
    """
    patience = restore.target.stop_timeout.total_seconds()
    starts = start_steps(restore.writers, patience=patience)
    swap = _swap(restore)
    if not starts:
        swap = swap.model_copy(update={"milestone": Milestone.SWITCHED})
    verify = _verify(restore)
    last = verify.model_copy(update={"milestone": Milestone.DRAINED})
    if starts:
        title = "Verify that the schema stayed with the application running"
        last = last.model_copy(update={"title": title})
    return (
        _assess(restore),
        _restore(restore),
        _compare(restore),
        *stop_steps(restore.writers, patience=patience),
        swap,
        *((verify, *starts) if starts else ()),
        last,
    )


def _assess(restore: Restore) -> Step:
    answers = restore.answers
    return assess_step(
        AssessDatabaseParams(
            session=restore.session,
            table=restore.target.version,
            before=restore.applied.digest,
            later=(restore.versions,),
            needs=restore.needs,
            missing=answers.missing,
            checks=tuple(one for one in restore.target.checks if one.when == "always"),
            failing=answers.failing,
            because=f"Corrupted? {answers.corrupted_because}",
        )
    )


def _restore(restore: Restore) -> Step:
    live, target = restore.live, restore.target
    params = RestoreArchiveParams(
        maintenance=restore.maintenance,
        database=live.name,
        oid=live.oid,
        new=restore.new,
        archive=restore.archive.path,
        sha256=restore.sha256,
        # Only these two formats can be read by several processes.
        jobs=target.jobs if restore.archive.format in {"CUSTOM", "DIRECTORY"} else 1,
        owner=live.owner,
        encoding=live.encoding,
        collate=live.collate,
        ctype=live.ctype,
        timeout_seconds=target.restore_timeout.total_seconds(),
    )
    keep = KeepDatabaseParams(database=restore.new)
    shown = f"{restore.sha256}  {restore.archive.path}"
    return Step(
        title=f"Restore {restore.archive.name} into the new database {restore.new}",
        action=_spec(RestoreArchive.name, params),
        expects={"database": live.name, "oid": live.oid, "sha256": restore.sha256},
        inverse=_spec(KeepDatabase.name, keep, f"# {restore.new} is kept; drop it when unneeded"),
        command=f"echo {shlex.quote(shown)} | sha256sum --check\n"
        f"{restore.session.command(*createdb(params))}\n"
        f"{restore.session.command(*pg_restore(params))}",
        estimate_seconds=_RESTORE_SECONDS,
        concerns=Concern.DATA,
    )


def _compare(restore: Restore) -> Step:
    params = CompareRestoredParams(
        live=restore.session,
        new=restore.new,
        maintenance=restore.maintenance,
        oid=restore.live.oid,
        table=restore.target.version,
        versions=restore.versions,
        minimum_share=restore.target.minimum_share,
        checks=restore.target.checks,
    )
    new = restore.session.at(restore.new)
    command = check_command(
        VerifyDatabaseParams(
            session=new,
            table=restore.target.version,
            versions=restore.versions,
            version=restore.version,
            needs=(),
            gone=(),
            checks=restore.target.checks,
        )
    )
    return Step(
        title=f"Compare {restore.new} with {restore.live.name}: schema, rows, checks",
        action=_spec(CompareRestored.name, params),
        expects={"versions": restore.versions},
        inverse=None,
        command=command,
        estimate_seconds=30.0,
        changes=False,
        concerns=Concern.DATA,
    )


def _swap(restore: Restore) -> Step:
    params = SwapDatabasesParams(
        maintenance=restore.maintenance,
        database=restore.live.name,
        incoming=restore.new,
        aside=restore.aside,
        old_oid=restore.live.oid,
        back=False,
        end_sessions=bool(restore.writers),
    )
    # Whoever asks for the old database back wants it whoever is connected.
    back = params.model_copy(
        update={
            "incoming": restore.aside,
            "aside": restore.new,
            "back": True,
            "end_sessions": True,
        }
    )
    return Step(
        title=f"End all sessions, rename {restore.live.name} to {restore.aside} and "
        f"{restore.new} to {restore.live.name}",
        action=_spec(SwapDatabases.name, params),
        expects={"oid": restore.live.oid},
        inverse=_spec(SwapDatabases.name, back, _psql(params, back)),
        command=_psql(params, params),
        estimate_seconds=5.0,
        concerns=Concern.DATA,
    )


def _verify(restore: Restore) -> Step:
    params = VerifyDatabaseParams(
        session=restore.session,
        table=restore.target.version,
        versions=restore.versions,
        version=restore.version,
        needs=restore.needs,
        gone=(),
        checks=restore.target.checks,
    )
    return Step(
        title="Verify schema and data",
        action=_spec(VerifyDatabase.name, params),
        expects={"versions": restore.versions},
        inverse=None,
        command=check_command(params),
        estimate_seconds=2.0,
        changes=False,
        concerns=Concern.DATA,
    )


def _psql(where: SwapDatabasesParams, params: SwapDatabasesParams) -> str:
    return f"{where.maintenance.psql('-f', '-')} <<'SQL'\n{swap_script(params)}SQL"


def _spec(kind: str, params: Value, command: str = "") -> StepSpec:
    return StepSpec(kind=kind, params=params.model_dump(mode="json"), command=command)


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
