"""Step: wait until a target group gets no more requests, as far as CloudWatch can tell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.core.backoff import Backoff
from bot.core.errors import ForbiddenError, PermanentError, WorldMovedError
from bot.core.values import Value, spoken
from bot.engine.world import Observed, StepState, World
from bot.incident.plan import Step
from strategies.blue_green_elbv2.listener import (
    Action,
    Place,
    Target,
    comparable,
    forward_of,
    read_targets,
    same,
)
from strategies.common.aws import last_changed_by
from strategies.kubernetes.pods import await_release

_MINUTE = timedelta(minutes=1)
"""An Application Load Balancer publishes its figures for whole minutes."""
_UNSEEN = "Long-lived connections such as WebSockets are not in these figures"


class Elbv2AwaitDrainParams(Value):
    """Whose requests are counted, and for how long they are waited for."""

    region: str
    group_arn: str
    colour: str
    old: str
    """CloudWatch's name of the group that should get nothing."""
    new: str
    """That of the group that gets everything: its figures prove that figures have arrived."""
    load_balancer: str
    timeout_seconds: float
    interval_seconds: float


class _Minute(Value):
    start: datetime
    per_target: float
    """Requests of the old group for each of its targets."""
    stated: bool
    """False when only the other group has a figure, so that nothing was counted for the old."""


class Elbv2AwaitDrain:
    """Reads CloudWatch until the old group had a whole minute without requests.

    Nothing is deregistered, so nothing is cut off. A drain that takes too long, or that cannot
    be seen, is reported as that and is no failure: new requests reach the target already.
    """

    name = "elbv2-await-drain"

    async def observe(self, step: Step, world: World) -> Observed:
        """AFTER when the old group has no targets, else BEFORE."""
        params = Elbv2AwaitDrainParams.model_validate(step.action.params)
        targets = await read_targets(world.aws, params.region, params.group_arn)
        summary = f"{params.colour} has {len(targets)} registered targets."
        state = StepState.BEFORE if targets else StepState.AFTER
        return Observed(state=state, summary=summary)

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Says whether the old group is quiet, how much it serves, or that nobody can tell."""
        params = Elbv2AwaitDrainParams.model_validate(step.action.params)
        start = world.clock.now()
        deadline = start + timedelta(seconds=params.timeout_seconds)
        first = _next_minute(start)
        seen: list[_Minute] = []
        # No minute is whole before that, so there is nothing to ask CloudWatch for.
        await world.clock.sleep(min(first + _MINUTE - start, deadline - start).total_seconds())
        while True:
            try:
                seen = await _minutes(params, world, first)
            except ForbiddenError as error:
                return await _blind(params, world, deadline, error.what)
            if _is_quiet(seen):
                return (
                    f"{params.colour} got no requests in the minute from "
                    f"{seen[-1].start:%H:%M} UTC. {_UNSEEN}; its targets keep running."
                )
            left = (deadline - world.clock.now()).total_seconds()
            if left <= 0:
                return _unfinished(params, seen)
            await world.clock.sleep(min(params.interval_seconds, left))


async def _minutes(params: Elbv2AwaitDrainParams, world: World, first: datetime) -> list[_Minute]:
    """Whole minutes for which figures have arrived, the earliest first.

    A group without requests may have no figure at all, which alone proves nothing: a minute
    counts when either group has one.
    """
    end = world.clock.now().replace(second=0, microsecond=0)
    if end <= first:  # the time-out is shorter than that
        return []
    answer = await world.aws.call(
        "cloudwatch",
        "get_metric_data",
        region=params.region,
        StartTime=first,
        EndTime=end,
        ScanBy="TimestampAscending",
        MetricDataQueries=[_query("old", params.old, params), _query("new", params.new, params)],
    )
    series = {
        one["Id"]: dict(zip(one["Timestamps"], one["Values"], strict=True))
        for one in answer["MetricDataResults"]
    }
    old, new = series.get("old", {}), series.get("new", {})
    return [
        _Minute(start=moment, per_target=float(old.get(moment, 0.0)), stated=moment in old)
        for moment in sorted(old.keys() | new.keys())
    ]


def _is_quiet(seen: list[_Minute]) -> bool:
    """A stated zero is enough; a missing figure may be late, so it takes two of them."""
    if not seen or seen[-1].per_target > 0:
        return False
    return seen[-1].stated or (len(seen) > 1 and seen[-2].per_target == 0)


def _query(name: str, group: str, params: Elbv2AwaitDrainParams) -> dict[str, Any]:
    return {
        "Id": name,
        "ReturnData": True,
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/ApplicationELB",
                "MetricName": "RequestCountPerTarget",
                "Dimensions": [
                    {"Name": "TargetGroup", "Value": group},
                    {"Name": "LoadBalancer", "Value": params.load_balancer},
                ],
            },
            "Period": int(_MINUTE.total_seconds()),
            "Stat": "Sum",
        },
    }


async def _blind(params: Elbv2AwaitDrainParams, world: World, deadline: datetime, why: str) -> str:
    """Without the right to read figures: give requests the time to end, and say so."""
    left = (deadline - world.clock.now()).total_seconds()
    await world.clock.sleep(max(0.0, left))
    return (
        f"Not known whether {params.colour} still serves requests: {why} "
        f"They were given {spoken(params.timeout_seconds)} to end."
    )


def _unfinished(params: Elbv2AwaitDrainParams, seen: list[_Minute]) -> str:
    waited = f"after {spoken(params.timeout_seconds)}"
    if not seen:
        return (
            f"Not known whether {params.colour} still serves requests: {waited} CloudWatch has "
            "no figures of a whole minute since the switch."
        )
    last = seen[-1]
    return (
        f"Not drained {waited}: {params.colour} still got {last.per_target:g} requests per target "
        f"in the minute from {last.start:%H:%M} UTC. Look for other rules that forward to it."
    )


def _next_minute(moment: datetime) -> datetime:
    """The first whole minute that lies after the switch altogether."""
    return moment.replace(second=0, microsecond=0) + _MINUTE


# Step: wait until a target group has enough healthy targets.


class Elbv2AwaitHealthyParams(Value):
    """Which group, how many targets, for how long."""

    region: str
    group_arn: str
    colour: str
    needed: int
    patience_seconds: float
    interval_seconds: float


class Elbv2AwaitHealthy:
    """Reads the targets' health until it is enough; changes nothing.

    A load balancer sends requests to all targets of a group when none is healthy, so the
    weights alone do not protect anybody.
    """

    name = "elbv2-await-healthy"

    async def observe(self, step: Step, world: World) -> Observed:
        """AFTER when enough targets are healthy, else BEFORE."""
        params = Elbv2AwaitHealthyParams.model_validate(step.action.params)
        targets = await read_targets(world.aws, params.region, params.group_arn)
        healthy = _healthy(targets)
        state = StepState.AFTER if healthy >= params.needed else StepState.BEFORE
        return Observed(
            state=state, summary=_health_text(params, targets), facts={"healthy": healthy}
        )

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError when too few targets are left or become healthy in time."""
        params = Elbv2AwaitHealthyParams.model_validate(step.action.params)
        start = world.clock.now()
        while True:
            targets = await read_targets(world.aws, params.region, params.group_arn)
            if _healthy(targets) >= params.needed:
                return f"{_health_text(params, targets)}."
            if sum(target.possible for target in targets) < params.needed:
                raise PermanentError(
                    f"{_health_text(params, targets)}: too few are left to become healthy"
                    f"{_trouble(targets)}.",
                    "Register or start targets, or choose another release.",
                )
            if (world.clock.now() - start).total_seconds() >= params.patience_seconds:
                raise PermanentError(
                    f"After {spoken(params.patience_seconds)} {_health_text(params, targets)}"
                    f"{_trouble(targets)}.",
                    "Look at the health check of the target group and at the targets.",
                )
            await world.clock.sleep(params.interval_seconds)


def _healthy(targets: Sequence[Target]) -> int:
    return sum(target.healthy for target in targets)


def _health_text(params: Elbv2AwaitHealthyParams, targets: Sequence[Target]) -> str:
    return (
        f"{params.colour} has {_healthy(targets)} healthy targets of {len(targets)}, "
        f"{params.needed} are needed"
    )


def _trouble(targets: Sequence[Target]) -> str:
    problems = [f"{target.name}: {target.problem}" for target in targets if target.problem]
    return f" ({problems[0]})" if problems else ""


# Step: share out the requests of a listener or rule between target groups in another way.

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
            summary=f"{_capital(str(params.place))}: {_weights_text(params, actions)}.",
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
            return f"{_capital(str(params.place))}: {_weights_text(params, actions)}."
        if not same(actions, params.old):
            raise await _moved(params, actions, world)
        if (world.clock.now() - start).total_seconds() >= params.patience_seconds:
            raise PermanentError(
                f"AWS accepted the change of {params.place}, but after "
                f"{spoken(params.patience_seconds)} it still shows: "
                f"{_weights_text(params, actions)}.",
                "Look at the AWS Health Dashboard.",
            )
        await world.clock.sleep(next(pauses))


async def _moved(params: Elbv2ForwardParams, actions: list[Action], world: World) -> Exception:
    by = await _writer(params, world)
    return WorldMovedError(
        f"The actions of {params.place} were changed by {by}; "
        f"now: {_weights_text(params, actions)}.",
        "Plan again.",
    )


async def _writer(params: Elbv2ForwardParams, world: World) -> str:
    place = params.place
    event, parameter = place.event
    return await last_changed_by(
        world, place.region, event=event, parameter=parameter, value=place.arn
    )


def _weights_text(params: Elbv2ForwardParams, actions: list[Action]) -> str:
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
