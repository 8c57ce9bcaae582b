"""Step: hold a restored database against the live one before it takes its place."""

from __future__ import annotations

from bot.config.targets.postgres import SqlCheck, VersionTable
from bot.domain.plan import Step
from bot.domain.values import Value
from bot.errors import PermanentError
from bot.ports.world import Observed, StepState, World
from strategies.postgres.client import Session
from strategies.postgres.questions import require_all, run_checks
from strategies.postgres.rows import RowComparison, row_counts
from strategies.postgres.server import databases
from strategies.postgres.versions import read_applied


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
