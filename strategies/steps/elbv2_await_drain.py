"""Step: wait until a target group gets no more requests, as far as CloudWatch can tell."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from bot.domain.plan import Step
from bot.domain.values import Value, spoken
from bot.errors import ForbiddenError
from bot.ports.world import Observed, StepState, World
from strategies.planning.elbv2.targets import read_targets

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
