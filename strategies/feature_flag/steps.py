"""Step: switch a feature flag off, or back to what it was."""

from __future__ import annotations

from pydantic import ConfigDict

from bot.core.backoff import Backoff
from bot.core.errors import PermanentError, WorldMovedError
from bot.core.values import Value, amount, spoken
from bot.engine.world import Observed, StepState, World
from bot.incident.plan import Step
from strategies.feature_flag.service import (
    Flag,
    FlagService,
    FlagState,
    await_expected,
    compare,
    flag_service,
    reached,
)
from strategies.feature_flag.target import FeatureFlagTarget

# What the steps on feature flags share.


class FlagParams(Value):
    """Which flag, and what it must be."""

    # The services of feature flags are loaded with the first target that is read.
    model_config = ConfigDict(defer_build=True)

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


_BACKOFF = Backoff(first=0.1, longest=5.0)


class SwitchFlagParams(FlagParams):
    """The recorded state that the change is decided upon."""

    old: FlagState
    version: str = ""
    """Version on which it was decided; empty when any will do, as for an undo."""


class SwitchFlag:
    """One change at the flag's service; the service showing it is the end state.

    That running instances follow is for the next steps to see.
    """

    name = "switch-flag"

    async def observe(self, step: Step, world: World) -> Observed:
        """By the flag's state and version."""
        params = SwitchFlagParams.model_validate(step.action.params)
        flag = await params.service(world).read()
        state = compare(flag, old=params.old, new=params.wanted, version=params.version)
        return Observed(
            state=state,
            summary=f"{params.target.flag} is {flag.summary}"
            + (" and was changed since the plan was made." if state is StepState.OTHER else "."),
            facts={"state": flag.state.model_dump(mode="json"), "version": flag.version},
            changed_by=flag.changed_by if state is StepState.OTHER else "",
        )

    async def act(self, step: Step, world: World) -> None:
        """Raises WorldMovedError when the flag is not as it was decided upon."""
        params = SwitchFlagParams.model_validate(step.action.params)
        service = params.service(world)
        flag = await service.read()
        if compare(flag, old=params.old, new=params.wanted, version=params.version) is (
            StepState.OTHER
        ):
            raise moved(params, flag)
        await service.switch(flag, params.wanted)

    async def confirm(self, step: Step, world: World) -> str:
        """Wait until the service shows it and has carried it out."""
        params = SwitchFlagParams.model_validate(step.action.params)
        service, patience = params.service(world), params.target.patience
        start, pauses = world.clock.now(), _BACKOFF.pauses()
        while True:
            flag = await service.read()
            if reached(flag, params.wanted):
                if flag.settled:
                    return f"{params.target.flag} is {flag.summary} in {service.place}."
            elif flag.state != params.old:
                raise moved(params, flag)
            if world.clock.now() - start >= patience:
                raise PermanentError(
                    f"{service.place} accepted the change, but after "
                    f"{spoken(patience.total_seconds())} {params.target.flag} is {flag.summary}.",
                    "Look at the flag there.",
                )
            await world.clock.sleep(next(pauses))


# Step: give every running instance one refresh interval to take a flag's new state.


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


# Step: see at the service itself that a feature is off.


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
