"""Step: see at the service itself that a feature is off."""

from __future__ import annotations

from bot.domain.plan import Step
from bot.domain.values import amount
from bot.errors import PermanentError
from bot.ports.world import Observed, World
from strategies.flags.probing import await_expected
from strategies.steps.flag import FlagParams, observe_unchanged, still_as_wanted


class CheckFeatureParams(FlagParams):
    """Where the service is asked."""

    url: str
    """Base URL of the service; empty when nothing can be asked."""


class CheckFeature:
    """Asks as a user does, on fresh connections; that the admin API says off is not enough."""

    name = "check-feature"

    async def observe(self, step: Step, world: World) -> Observed:
        """BEFORE while the flag is off."""
        return await observe_unchanged(CheckFeatureParams.model_validate(step.action.params), world)

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError with the last answer when the feature does not go off."""
        params = CheckFeatureParams.model_validate(step.action.params)
        probe, flag = params.target.probe, params.target.flag
        await still_as_wanted(params, world)
        missing = ""
        if probe is not None and params.url:
            missing = await await_expected(world, params.url, probe)
        await still_as_wanted(params, world)
        if probe is None or not params.url:
            return (
                f"Not observed: the catalog names no probe for {flag}. It is still off in "
                f"{params.service(world).place}."
            )
        if missing:
            raise PermanentError(
                f"{flag} is off, but the service does not behave so: {missing}.",
                "Look for overrides, caches and instances that cannot reach the flag service.",
            )
        return f"{probe.path} answered {amount(probe.times, 'time')} as it does with {flag} off."
