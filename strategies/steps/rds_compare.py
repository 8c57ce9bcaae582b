"""Steps: hold a restored RDS instance against the live one, and look at it in its place."""

from __future__ import annotations

from bot.domain.plan import Step
from bot.domain.values import Facts, Value
from bot.errors import WorldMovedError
from bot.ports.world import Observed, StepState, World
from strategies.planning.rds.comparing import SqlComparison, same_rows, same_settings
from strategies.planning.rds.instances import Which, list_instances, name_of, status_of
from strategies.postgres.questions import require_all, run_checks


class RdsCompareParams(Value):
    """Which two, and what must be alike."""

    region: str
    instance: str
    source: Which
    token: str
    settings: Facts
    engine: str
    """Engine and version of the live instance."""
    sql: SqlComparison | None = None


class RdsCompare:
    """Compares settings, and rows where the catalog says how to connect; changes nothing."""

    name = "rds-compare"

    async def observe(self, step: Step, world: World) -> Observed:
        """AFTER once the old instance has gone aside, else BEFORE."""
        params = RdsCompareParams.model_validate(step.action.params)
        live = (await list_instances(world, params.region)).by_name.get(params.instance)
        if live is None or not params.source.is_it(live):
            return Observed(state=StepState.AFTER, summary="The instances are swapped already.")
        return Observed(state=StepState.BEFORE, summary="The instances are to be compared.")

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError for other settings, far fewer rows, or a check that fails."""
        params = RdsCompareParams.model_validate(step.action.params)
        found = await list_instances(world, params.region)
        live, new = found.by_name.get(params.instance), found.find(Which(token=params.token))
        if live is None or not params.source.is_it(live):
            return "Compared before; the instances are swapped already."
        if new is None:
            raise WorldMovedError("The restored instance is gone.", "Plan again.")
        alike = same_settings(params.settings, params.engine, new)
        if params.sql is None:
            return f"{alike}. Rows were not compared: the catalog names no sql for this instance."
        return f"{alike}; {await same_rows(params.sql, live, new, world)}."


class RdsVerifyParams(Value):
    """Which instance must be reached by the name that applications know."""

    region: str
    instance: str
    token: str
    sql: SqlComparison | None = None


class RdsVerify:
    """Looks whether the restored instance has the live name, and asks its data."""

    name = "rds-verify"

    async def observe(self, step: Step, world: World) -> Observed:
        """BEFORE: it is asked anew each time."""
        return Observed(state=StepState.BEFORE, summary="The instance is to be asked.")

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Raises WorldMovedError when another instance has the name."""
        params = RdsVerifyParams.model_validate(step.action.params)
        live = (await list_instances(world, params.region)).by_name.get(params.instance)
        if live is None or not Which(token=params.token).is_it(live):
            raise WorldMovedError(
                f"{params.instance} is not the restored instance.",
                "Somebody has renamed instances: look at them in the RDS console.",
            )
        said = f"{name_of(live)} is the restored instance and is {status_of(live)}"
        if params.sql is None:
            return f"{said}; its data were not asked: the catalog names no sql."
        checked = await run_checks(params.sql.session(live), world, params.sql.checks)
        return f"{said}; {require_all(checked, 'The restored data are not sound')}."
