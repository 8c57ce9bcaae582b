"""What the steps on feature flags share."""

from __future__ import annotations

from bot.config.targets.feature_flag import FeatureFlagTarget
from bot.domain.values import Value
from bot.errors import WorldMovedError
from bot.ports.world import Observed, StepState, World
from strategies.flags.model import Flag, FlagService, FlagState, reached
from strategies.flags.providers import flag_service


class FlagParams(Value):
    """Which flag, and what it must be."""

    target: FeatureFlagTarget
    wanted: FlagState

    def service(self, world: World) -> FlagService:
        """The service that keeps the flag."""
        return flag_service(self.target, world)


async def observe_unchanged(params: FlagParams, world: World) -> Observed:
    """For steps that change nothing: BEFORE while the flag is as wanted, else OTHER."""
    flag = await params.service(world).read()
    as_wanted = reached(flag, params.wanted)
    return Observed(
        state=StepState.BEFORE if as_wanted else StepState.OTHER,
        summary=f"{params.target.flag} is {flag.summary}.",
        changed_by="" if as_wanted else flag.changed_by,
    )


async def still_as_wanted(params: FlagParams, world: World) -> Flag:
    """The flag; raises WorldMovedError, naming who, when it is not as wanted any more."""
    flag = await params.service(world).read()
    if not reached(flag, params.wanted):
        raise moved(params, flag)
    return flag


def moved(params: FlagParams, flag: Flag) -> WorldMovedError:
    """The flag is neither as it was nor as it should be."""
    by = f" by {flag.changed_by}" if flag.changed_by else ""
    return WorldMovedError(
        f"{params.target.flag} is {flag.summary}: it was changed{by} since the plan was made.",
        "Plan again.",
    )
