"""Step: give every running instance one refresh interval to take a flag's new state."""

from __future__ import annotations

from bot.domain.plan import Step
from bot.domain.values import spoken
from bot.ports.world import Observed, World
from strategies.steps.flag import FlagParams, observe_unchanged, still_as_wanted


class AwaitFlag:
    """Waits the whole interval, also after a restart: nobody tells when an instance asked last."""

    name = "await-flag"

    async def observe(self, step: Step, world: World) -> Observed:
        """BEFORE while the flag is as wanted; whether instances know it cannot be asked."""
        return await observe_unchanged(FlagParams.model_validate(step.action.params), world)

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Raises WorldMovedError when somebody changed the flag meanwhile."""
        params = FlagParams.model_validate(step.action.params)
        seconds = params.target.refresh.total_seconds()
        await world.clock.sleep(seconds)
        flag = await still_as_wanted(params, world)
        return (
            f"{params.target.flag} has been {flag.summary} for one refresh interval "
            f"({spoken(seconds)})."
        )
