"""Step: restore an archive into a new database beside the live one."""

from __future__ import annotations

from bot.core.errors import PermanentError, WorldMovedError
from bot.core.values import Value
from bot.engine.world import Observed, StepState, World
from bot.incident.plan import Step
from strategies.database.archives import checksum
from strategies.database.client import Session, identifier, literal
from strategies.database.server import (
    RESTORED,
    RESTORING,
    Found,
    RowComparison,
    databases,
    require_all,
    row_counts,
    run_checks,
    settings_of,
)
from strategies.database.target import SqlCheck, VersionTable
from strategies.database.versions import read_applied

# Step: hold a restored database against the live one before it takes its place.


class CompareRestoredParams(Value):
    """Which two, and what is too little."""

    live: Session
    new: str
    maintenance: Session
    oid: int
    table: VersionTable
    versions: str
    """Digest of the versions that the archive holds."""
    minimum_share: float
    checks: tuple[SqlCheck, ...]


class CompareRestored:
    """Counts the rows of every table in both; changes nothing."""

    name = "compare-restored"

    async def observe(self, step: Step, world: World) -> Observed:
        """AFTER once the old database has gone aside, else BEFORE."""
        params = CompareRestoredParams.model_validate(step.action.params)
        if await _is_swapped(params, world):
            return Observed(state=StepState.AFTER, summary="The databases are swapped already.")
        return Observed(state=StepState.BEFORE, summary=f"{params.new} is to be compared.")

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError for another schema, far fewer rows, or a check that fails."""
        params = CompareRestoredParams.model_validate(step.action.params)
        if await _is_swapped(params, world):
            return "Compared before; the databases are swapped already."
        new = params.live.at(params.new)
        applied = await read_applied(new, params.table, world)
        if applied.digest != params.versions:
            raise PermanentError(
                f"{params.new} is at {applied.stored[-1]}, not at what its archive says.",
                "Do not use this archive.",
            )
        now = await row_counts(params.live, params.table, world)
        then = await row_counts(new, params.table, world)
        rows = RowComparison(now=now, then=then)
        rows.require(params.minimum_share, "Choose another archive")
        checked = await run_checks(new, world, params.checks)
        said = require_all(checked, f"The data in {params.new} are not sound")
        return f"{rows.tables}, schema {applied.stored[-1]}; {rows.sentence}; {said}."


async def _is_swapped(params: CompareRestoredParams, world: World) -> bool:
    found = await databases(params.maintenance, world)
    live = found.get(params.live.database)
    return live is None or live.oid != params.oid


_CREATE_SECONDS = 120.0


class RestoreArchiveParams(Value):
    """What is restored, and where to."""

    maintenance: Session
    database: str
    oid: int
    """Of the live database; it stands for its identity."""
    new: str
    archive: str
    sha256: str
    jobs: int
    owner: str
    encoding: str
    collate: str
    ctype: str
    timeout_seconds: float

    @property
    def done(self) -> str:
        """The comment on a database that is restored to the end."""
        return f"{RESTORED} {self.sha256}"

    @property
    def begun(self) -> str:
        """The comment on a database whose restore broke off, or is under way."""
        return f"{RESTORING} {self.sha256}"


def createdb(params: RestoreArchiveParams) -> tuple[str, ...]:
    """The call; from template0, or the archive would meet what template1 has."""
    return (
        *("createdb", "--no-password", "--maintenance-db", params.maintenance.database),
        *("-T", "template0", "-O", params.owner, "-E", params.encoding),
        *("--lc-collate", params.collate, "--lc-ctype", params.ctype, params.new),
    )


def pg_restore(params: RestoreArchiveParams) -> tuple[str, ...]:
    """The call; it stops at the first error."""
    parallel = ("--jobs", str(params.jobs)) if params.jobs > 1 else ()
    return (
        *("pg_restore", "--no-password", "--exit-on-error", *parallel),
        *("-d", params.new, params.archive),
    )


class RestoreArchive:
    """A comment on the new database tells a finished restore from one that broke off."""

    name = "restore-archive"

    async def observe(self, step: Step, world: World) -> Observed:
        """By the databases' names and comments."""
        params = RestoreArchiveParams.model_validate(step.action.params)
        found = await databases(params.maintenance, world)
        new, live = found.get(params.new), found.get(params.database)
        if _is_done(params, new) or _is_done(params, live):
            return Observed(state=StepState.AFTER, summary=f"{params.archive} is restored.")
        if live is None or live.oid != params.oid:
            return Observed(
                state=StepState.OTHER,
                summary=f"Database {params.database} is not the one that was decided upon.",
                changed_by="somebody who created or renamed databases",
            )
        if new is None:
            return Observed(state=StepState.BEFORE, summary=f"There is no {params.new} yet.")
        if await _is_ours(params, new, world):
            return Observed(state=StepState.BEFORE, summary=f"A restore into {new.name} broke off.")
        return Observed(
            state=StepState.OTHER,
            summary=f"There is a database {new.name} that the bot did not make.",
            changed_by=f"its owner {new.owner}",
        )

    async def act(self, step: Step, world: World) -> None:
        """Raises WorldMovedError for another archive, PermanentError for a broken one."""
        params = RestoreArchiveParams.model_validate(step.action.params)
        if await checksum(params.archive) != params.sha256:
            raise WorldMovedError(
                f"{params.archive} is not the file that was approved.", "Plan again."
            )
        session, new = params.maintenance, identifier(params.new)
        left = (await databases(session, world)).get(params.new)
        if left is not None:
            if not await _is_ours(params, left, world):
                raise WorldMovedError(f"Somebody has made a database {params.new}.", "Plan again.")
            # A run of ours that broke off; its pg_restore may still be connected.
            await session.bare(world, f"DROP DATABASE {new} WITH (FORCE)", seconds=_CREATE_SECONDS)
        await self._run(params, createdb(params), world, _CREATE_SECONDS)
        await session.bare(world, f"COMMENT ON DATABASE {new} IS {literal(params.begun)}")
        await self._run(params, pg_restore(params), world, params.timeout_seconds)
        await session.at(params.new).bare(world, "ANALYZE", seconds=params.timeout_seconds)
        await session.bare(world, settings_of(params.oid, params.new))
        await session.bare(world, f"COMMENT ON DATABASE {new} IS {literal(params.done)}")

    async def confirm(self, step: Step, world: World) -> str:
        """Raises WorldMovedError when the restored database is gone."""
        params = RestoreArchiveParams.model_validate(step.action.params)
        found = await databases(params.maintenance, world)
        if _is_done(params, found.get(params.database)):
            return f"{params.archive} was restored and has taken its place."
        if not _is_done(params, found.get(params.new)):
            raise WorldMovedError(
                f"Database {params.new} with the restored archive is not there.", "Plan again."
            )
        return f"{params.archive} was restored into the new database {params.new}."

    @staticmethod
    async def _run(
        params: RestoreArchiveParams, argv: tuple[str, ...], world: World, seconds: float
    ) -> None:
        finished = await params.maintenance.program(world, argv, timeout_seconds=seconds)
        if finished.status != 0:
            said = " ".join(finished.errors.split())[:500]
            raise PermanentError(
                f"{argv[0]} failed: {said}.",
                f"The live database was not touched. Mend the cause; {params.new} may be dropped.",
            )


def _is_done(params: RestoreArchiveParams, found: Found | None) -> bool:
    return found is not None and found.comment == params.done


async def _is_ours(params: RestoreArchiveParams, found: Found, world: World) -> bool:
    """Ours by its comment; or empty, when the bot died between creating and commenting it."""
    if found.comment:
        return found.comment == params.begun
    tables = await params.maintenance.at(found.name).text(
        world,
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^(pg_|information_schema)'",
    )
    return tables == "0"


class KeepDatabaseParams(Value):
    """Which one."""

    database: str


class KeepDatabase:
    """The inverse of a restore: what was restored stays aside, for people may need its rows."""

    name = "keep-database"

    async def observe(self, step: Step, world: World) -> Observed:
        """AFTER: there is nothing to do."""
        params = KeepDatabaseParams.model_validate(step.action.params)
        return Observed(state=StepState.AFTER, summary=f"Database {params.database} is kept.")

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Says what is left to a person."""
        params = KeepDatabaseParams.model_validate(step.action.params)
        return f"The restored copy stays as {params.database}; drop it when nobody needs it."
