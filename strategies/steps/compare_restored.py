"""Step: hold a restored database against the live one before it takes its place."""

# ruff: noqa: S608 - psql takes no parameters: names and texts are quoted by postgres.client.

from __future__ import annotations

from bot.config.targets.postgres import SqlCheck, VersionTable
from bot.domain.plan import Step
from bot.domain.values import Value
from bot.errors import PermanentError
from bot.ports.world import Observed, StepState, World
from strategies.postgres.client import Session, identifier, listed, literal, qualified
from strategies.postgres.questions import require_all, run_checks
from strategies.postgres.server import databases
from strategies.postgres.versions import read_applied

_COUNT_SECONDS = 600.0


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
        few = [
            f"{table}: {then[table]} of {rows}"
            for table, rows in sorted(now.items())
            if table in then and then[table] < rows * params.minimum_share
        ]
        if few:
            raise PermanentError(
                f"Far fewer rows would come back than there are now: {listed(few)}.",
                "Nothing was swapped. Choose another archive, or lower minimum_share knowingly.",
            )
        checked = await run_checks(new, world, params.checks)
        said = require_all(checked, f"The data in {params.new} are not sound")
        changed = [
            f"{table} {rows} → {then[table]}"
            for table, rows in sorted(now.items())
            if then.get(table, rows) != rows
        ]
        missing = sorted(set(now) - set(then))
        return (
            f"{len(then)} tables, schema {applied.stored[-1]}; rows now → restored: "
            f"{listed(changed, 10) or 'the same'}; tables that it does not have: "
            f"{listed(missing) or 'none'}; {said}."
        )


async def _is_swapped(params: CompareRestoredParams, world: World) -> bool:
    found = await databases(params.maintenance, world)
    live = found.get(params.live.database)
    return live is None or live.oid != params.oid


async def row_counts(session: Session, besides: VersionTable, world: World) -> dict[str, int]:
    """Exact counts of all tables of the application; fewer versions are what is wanted."""
    tables = await session.rows(
        world,
        "SELECT schemaname AS schema, relname AS name FROM pg_stat_user_tables "
        f"WHERE relid <> to_regclass({literal(qualified(besides.table))}) ORDER BY 1, 2",
    )
    if not tables:
        return {}
    counts = "\nUNION ALL ".join(
        f"SELECT {literal(one['schema'] + '.' + one['name'])} AS name, count(*) AS rows "
        f"FROM {identifier(one['schema'])}.{identifier(one['name'])}"
        for one in tables
    )
    rows = await session.rows(world, counts, seconds=_COUNT_SECONDS)
    return {row["name"]: row["rows"] for row in rows}
