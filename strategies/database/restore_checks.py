"""What is known about a restore, and its preflights."""

# ruff: noqa: S608 - psql takes no parameters: names and texts are quoted by postgres.client.

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.core.errors import OutcomeUnknownError
from bot.core.values import spoken
from bot.engine.world import World
from bot.incident.plan import Preflight
from strategies.common.preflights import blocked, passed, warned
from strategies.database.archives import Archive, Unreadable, read_to_the_end
from strategies.database.client import Session, listed, literal
from strategies.database.server import RESTORED, RESTORING, Answers, Found
from strategies.database.target import RestoreTarget
from strategies.database.versions import Applied
from strategies.database.writers import RecordedWriter, check_writers

ARCHIVE = "Archive"


@dataclass(frozen=True, kw_only=True)
class Restore:
    """Everything that was read before."""

    target: RestoreTarget
    session: Session
    maintenance: Session
    applied: Applied
    archive: Archive
    sha256: str
    versions: str
    """Digest of the versions in the archive."""
    version: str
    needs: tuple[str, ...]
    live: Found
    found: dict[str, Found]
    answers: Answers
    writers: tuple[RecordedWriter, ...]

    @property
    def new(self) -> str:
        """Name of the database that the archive is restored into."""
        return f"{self.target.database}_new_{self.sha256[:8]}"

    @property
    def aside(self) -> str:
        """Name under which the old database is kept."""
        return f"{self.target.database}_old_{self.live.oid}"


async def preflights(
    restore: Restore, bad: Sequence[Unreadable], world: World
) -> tuple[Preflight, ...]:
    """Everything that can be known before."""
    return (
        *_answers(restore),
        *_archive(restore, bad, world),
        await _whole(restore, world),
        _names(restore),
        _locale(restore),
        await _server(restore, world),
        *await check_writers(world, restore.writers, connected=restore.live.sessions),
    )


def _answers(restore: Restore) -> tuple[Preflight, ...]:
    """A restore is the last resort: what speaks for less is a warning."""
    answers = restore.answers
    if answers.corrupted:
        return (
            passed("Are data corrupted?", answers.corrupted_because),
            warned(
                "Can it be avoided?",
                "Not by down migrations, which repair no data; by a repair of single rows perhaps.",
            ),
        )
    return (
        warned("Are data corrupted?", answers.corrupted_because),
        warned(
            "Can it be avoided?",
            "Down migrations lose less than a restore: use it only when they cannot do it.",
        ),
    )


def _archive(restore: Restore, bad: Sequence[Unreadable], world: World) -> tuple[Preflight, ...]:
    archive, target = restore.archive, restore.target
    age = (world.clock.now() - archive.created_at).total_seconds()
    found = [
        (warned if age > target.max_age.total_seconds() else passed)(
            "Age of the archive",
            f"{archive.name} was made {archive.created_at:%Y-%m-%d %H:%M:%S} UTC, "
            f"{spoken(max(0.0, age))} ago: all changes since then are lost.",
        )
    ]
    if archive.promised and archive.promised != restore.sha256:
        sentence = f"{archive.name} is not the file that was saved: its SHA-256 differs."
        found.append(blocked("Checksum", sentence))
    elif archive.promised:
        found.append(passed("Checksum", f"{archive.name} has the SHA-256 that stands beside it."))
    else:
        verdict = blocked if target.checksum_required else warned
        found.append(verdict("Checksum", f"There is no {archive.name}.sha256 to hold it against."))
    if archive.database != target.database:
        sentence = f"{archive.name} was made of database {archive.database}."
        found.append(warned("Source of the archive", sentence))
    if bad:
        sentence = f"Archives that cannot be used: {listed([one.why for one in bad])}"
        found.append(warned("Other archives", sentence))
    return tuple(found)


async def _whole(restore: Restore, world: World) -> Preflight:
    try:
        why = await read_to_the_end(restore.session, world, restore.archive.path)
    except OutcomeUnknownError:
        return warned(
            ARCHIVE,
            "It is too large to be read to the end now; a broken one fails the restore, before "
            "anything live is touched.",
        )
    if why:
        return blocked(ARCHIVE, f"It is corrupt. {why} Choose another one.")
    return passed(ARCHIVE, f"{restore.archive.name} can be read to its end.")


def _names(restore: Restore) -> Preflight:
    name = "Names"
    taken = [one for one in (restore.new, restore.aside) if one in restore.found]
    left = restore.found.get(restore.new)
    ours = left is not None and left.comment in {
        f"{RESTORED} {restore.sha256}",
        f"{RESTORING} {restore.sha256}",
    }
    if restore.aside in taken or (taken and not ours):
        return blocked(name, f"Database {listed(taken)} exists. Rename or drop it first.")
    if left is not None and left.comment.startswith(RESTORED):
        return blocked(
            name,
            f"Database {left.name} was restored from this archive before and may have been "
            "written to. Rename or drop it first.",
        )
    return passed(name, f"New: {restore.new}; the old one is kept as {restore.aside}.")


def _locale(restore: Restore) -> Preflight:
    live = restore.live
    if live.provider != "c":
        return blocked(
            "Locale",
            f"Database {live.name} sorts by ICU, which the bot does not carry over. Restore by "
            "hand.",
        )
    return passed("Locale", f"{live.encoding}, {live.collate}, {live.ctype}, as now.")


async def _server(restore: Restore, world: World) -> Preflight:
    name = "Server and rights"
    database, oid = literal(restore.target.database), restore.live.oid
    [found] = await restore.maintenance.rows(
        world,
        "SELECT current_user AS me, pg_is_in_recovery() AS standby, "
        "rolsuper OR rolcreatedb AS creates, "
        f"rolsuper OR pg_has_role({literal(restore.live.owner)}, 'USAGE') AS owns, "
        "rolsuper OR pg_has_role('pg_signal_backend', 'USAGE') AS ends, "
        f"(SELECT count(*) FROM pg_prepared_xacts WHERE database = {database}) AS prepared, "
        f"(SELECT string_agg(slot_name, ', ') FROM pg_replication_slots WHERE datoid = {oid}) "
        f"AS slots, pg_size_pretty(pg_database_size({oid}::oid)) AS size "
        "FROM pg_roles WHERE rolname = current_user",
    )
    if found["standby"]:
        return blocked(name, "This server is a standby: name the primary in the catalog.")
    wanted = {"creates": "CREATEDB", "owns": f"role {restore.live.owner}"}
    wanted["ends"] = "role pg_signal_backend"
    lacks = [right for key, right in wanted.items() if not found[key]]
    if lacks:
        return blocked(name, f"Role {found['me']} lacks {listed(lacks)}. Grant it.")
    if found["prepared"]:
        return blocked(
            name,
            f"{found['prepared']} prepared transactions hold the database: PostgreSQL does not "
            "rename it. Commit or roll them back first.",
        )
    room = f"the server needs room for a second copy ({found['size']} now)"
    if found["slots"]:
        return warned(name, f"Replication slots stay with the old database: {found['slots']}.")
    return passed(name, f"Role {found['me']} may create, rename and end sessions; {room}.")
