"""Step: switch a feature flag off, or back to what it was."""

from __future__ import annotations

from bot.backoff import Backoff
from bot.domain.plan import Step
from bot.domain.values import spoken
from bot.errors import PermanentError
from bot.ports.world import Observed, StepState, World
from strategies.flags.model import FlagState, compare, reached
from strategies.steps.flag import FlagParams, moved

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
