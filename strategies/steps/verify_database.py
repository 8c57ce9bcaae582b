"""Step: the schema and the data are as they should be."""

from __future__ import annotations

from bot.config.targets.postgres import SqlCheck, VersionTable
from bot.domain.plan import Step
from bot.domain.values import Value
from bot.errors import PermanentError
from bot.ports.world import Observed, StepState, World
from strategies.postgres.client import Session, listed
from strategies.postgres.questions import missing_needs, require_all, run_checks
from strategies.postgres.versions import read_applied


class VerifyDatabaseParams(Value):
    """What must hold."""

    session: Session
    table: VersionTable
    versions: str
    """Digest of the versions that must be applied."""
    version: str
    """The newest of them, for people."""
    needs: tuple[str, ...]
    gone: tuple[str, ...]
    """Tables and columns that the migrations must have removed."""
    checks: tuple[SqlCheck, ...]


class VerifyDatabase:
    """Asks the version table, the catalog of the schema, and the configured checks."""

    name = "verify-database"

    async def observe(self, step: Step, world: World) -> Observed:
        """BEFORE: it is asked anew each time."""
        return Observed(state=StepState.BEFORE, summary="The database is to be asked.")

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError naming everything that is not as it should be."""
        params = VerifyDatabaseParams.model_validate(step.action.params)
        applied = await read_applied(params.session, params.table, world)
        if applied.digest != params.versions:
            raise PermanentError(
                f"The newest applied migration is {applied.stored[-1]}, and {params.version} was "
                "expected with everything before it.",
                "Somebody else migrates this database: plan again.",
            )
        missing = await missing_needs(params.session, world, params.needs)
        absent = await missing_needs(params.session, world, params.gone)
        left = sorted(set(params.gone) - set(absent))
        if missing or left:
            raise PermanentError(
                f"The schema says {params.version} but is another one: missing "
                f"{listed(missing) or 'nothing'}; still there {listed(left) or 'nothing'}.",
                "Compare the live schema with the migrations.",
            )
        checked = await run_checks(params.session, world, params.checks)
        said = require_all(checked, "The schema is right but data are not")
        return f"The schema is {params.version}; {said}."
