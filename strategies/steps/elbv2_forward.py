"""Step: share out the requests of a listener or rule between target groups in another way."""

from __future__ import annotations

from typing import Any

from bot.backoff import Backoff
from bot.domain.plan import Step
from bot.domain.values import Value, spoken
from bot.errors import PermanentError, WorldMovedError
from bot.ports.world import Observed, StepState, World
from strategies.aws.trail import last_changed_by
from strategies.kubernetes.probing import await_release
from strategies.planning.elbv2.actions import Action, comparable, forward_of, same
from strategies.planning.elbv2.place import Place

_BACKOFF = Backoff(first=0.5, longest=5.0)


class Elbv2ForwardParams(Value):
    """From which action list to which, and how to tell that users have arrived there."""

    place: Place
    old: list[dict[str, Any]]
    new: list[dict[str, Any]]
    """Whole lists, since AWS replaces the whole list; secrets are not in them."""
    later: tuple[list[dict[str, Any]], ...] = ()
    """Lists that later steps of the same plan lead to: this step is behind us then."""
    names: dict[str, str]
    """Target group's ARN → colour, for sentences."""
    release: str
    url: str
    """The version endpoint as users reach it; empty when there is none or nothing moves."""
    patience_seconds: float

    def reached(self, actions: list[Action]) -> bool:
        """Whether this step's end state holds or was left by a later step."""
        return any(same(actions, one) for one in (self.new, *self.later))


class Elbv2Forward:
    """Replaces the action list, looks at it again, and asks the service for its release.

    ELBv2 has no conditional writes: the list is compared with the expectation right before it
    is replaced, and afterwards.
    """

    name = "elbv2-forward"

    async def observe(self, step: Step, world: World) -> Observed:
        """By the live action list."""
        params = Elbv2ForwardParams.model_validate(step.action.params)
        actions = await params.place.read(world.aws)
        state, by = StepState.OTHER, ""
        if params.reached(actions):
            state = StepState.AFTER
        elif same(actions, params.old):
            state = StepState.BEFORE
        else:
            by = await _writer(params, world)
        return Observed(
            state=state,
            summary=f"{_capital(str(params.place))}: {_said(params, actions)}.",
            facts={"actions": comparable(actions)},
            changed_by=by,
        )

    async def act(self, step: Step, world: World) -> None:
        """Raises WorldMovedError, naming who, when the list is no longer the old one."""
        params = Elbv2ForwardParams.model_validate(step.action.params)
        actions = await params.place.read(world.aws)
        if params.reached(actions):
            return
        if not same(actions, params.old):
            raise await _moved(params, actions, world)
        await params.place.write(world.aws, params.new)

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError when AWS or the users do not arrive in time."""
        params = Elbv2ForwardParams.model_validate(step.action.params)
        said = await _described(params, world)
        if not params.url:
            return said
        trouble = await await_release(
            world, params.url, params.release, patience_seconds=params.patience_seconds
        )
        if trouble:
            raise PermanentError(
                f"The weights were changed, but after {spoken(params.patience_seconds)} {trouble}.",
                "Look at what lies before the load balancer (CDN, DNS), at rules with a higher "
                "priority, and whether the target group's version tag is true.",
            )
        return f"{said} {params.url} answers with {params.release}."


async def _described(params: Elbv2ForwardParams, world: World) -> str:
    """Describe until AWS shows the new list; a load balancer's description may lag."""
    start, pauses = world.clock.now(), _BACKOFF.pauses()
    while True:
        actions = await params.place.read(world.aws)
        if params.reached(actions):
            return f"{_capital(str(params.place))}: {_said(params, actions)}."
        if not same(actions, params.old):
            raise await _moved(params, actions, world)
        if (world.clock.now() - start).total_seconds() >= params.patience_seconds:
            raise PermanentError(
                f"AWS accepted the change of {params.place}, but after "
                f"{spoken(params.patience_seconds)} it still shows: {_said(params, actions)}.",
                "Look at the AWS Health Dashboard.",
            )
        await world.clock.sleep(next(pauses))


async def _moved(params: Elbv2ForwardParams, actions: list[Action], world: World) -> Exception:
    by = await _writer(params, world)
    return WorldMovedError(
        f"The actions of {params.place} were changed by {by}; now: {_said(params, actions)}.",
        "Plan again.",
    )


async def _writer(params: Elbv2ForwardParams, world: World) -> str:
    place = params.place
    event, parameter = place.event
    return await last_changed_by(
        world, place.region, event=event, parameter=parameter, value=place.arn
    )


def _said(params: Elbv2ForwardParams, actions: list[Action]) -> str:
    kinds = [action["Type"] for action in actions]
    if "forward" not in kinds:
        return ", ".join(kinds) or "no action"
    forward = forward_of(actions)
    weights = ", ".join(
        f"{params.names.get(arn, arn)} {weight}" for arn, weight in forward.weights.items()
    )
    sticky = f", sticky for {forward.sticky_seconds} s" if forward.sticky_seconds else ""
    before = "".join(f"{kind}, then " for kind in kinds if kind != "forward")
    return f"{before}weights {weights}{sticky}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
