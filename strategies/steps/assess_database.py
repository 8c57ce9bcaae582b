"""Step: ask once more, right before the first change, whether the database must be rolled back."""

from __future__ import annotations

from bot.config.targets.postgres import SqlCheck, VersionTable
from bot.domain.plan import Step
from bot.domain.values import Value
from bot.errors import WorldMovedError
from bot.ports.world import Observed, StepState, World
from strategies.postgres.client import Session, listed
from strategies.postgres.locks import connected
from strategies.postgres.questions import missing_needs, run_checks
from strategies.postgres.versions import read_applied


class AssessDatabaseParams(Value):
    """What was answered when the plan was made."""

    session: Session
    table: VersionTable
    before: str
    """Digest of the applied versions that was decided upon."""
    later: tuple[str, ...]
    """Digests that this plan itself leads to."""
    needs: tuple[str, ...]
    missing: tuple[str, ...]
    checks: tuple[SqlCheck, ...]
    failing: tuple[str, ...]
    """Names of the checks that did not hold."""
    because: str
    """The answers in a sentence."""


class AssessDatabase:
    """Compares the live answers with those of the plan; changes nothing."""

    name = "assess-database"

    async def observe(self, step: Step, world: World) -> Observed:
        """OTHER when other migrations are applied than those decided upon."""
        params = AssessDatabaseParams.model_validate(step.action.params)
        applied = await read_applied(params.session, params.table, world)
        summary = f"The newest applied migration is {applied.stored[-1]}."
        if applied.digest == params.before:
            return Observed(state=StepState.BEFORE, summary=summary)
        if applied.digest in params.later:
            return Observed(state=StepState.AFTER, summary=summary)
        others = ", ".join(await connected(params.session, world)) or "nobody"
        return Observed(
            state=StepState.OTHER,
            summary=summary,
            changed_by=f"somebody; PostgreSQL does not record who (connected now: {others})",
        )

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Raises WorldMovedError when an answer is another one than at the approval."""
        params = AssessDatabaseParams.model_validate(step.action.params)
        applied = await read_applied(params.session, params.table, world)
        if applied.digest != params.before:
            return f"Assessed before; {applied.stored[-1]} is the newest applied migration."
        missing = tuple(await missing_needs(params.session, world, params.needs))
        always = [check for check in params.checks if check.when == "always"]
        checked = await run_checks(params.session, world, always)
        failing = tuple(one.name for one in checked if not one.holds)
        if missing != params.missing or failing != params.failing:
            raise WorldMovedError(
                "The assessment of the database has changed since the approval: checks that do "
                f"not hold: {listed(failing) or 'none'}; missing: {listed(missing) or 'nothing'}.",
                "Nothing was changed. Plan again.",
            )
        return params.because
