"""The plan of a blue-green rollback on ELBv2: its preflights, and what must be said before."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from bot.core.values import Value
from bot.engine.world import World
from bot.incident.plan import Candidate, Milestone, Plan, Preflight, Step, StepSpec
from strategies.aws import check_actions, check_ownership
from strategies.blue_green_elbv2.listener import (
    Action,
    Elbv2Change,
    comparable,
    dimension,
    writable,
)
from strategies.blue_green_elbv2.preflights import (
    ELSEWHERE,
    check_elsewhere,
    check_fit,
    check_health,
    check_kept,
    check_load_balancer,
    check_split,
    check_stickiness,
)
from strategies.blue_green_elbv2.steps import (
    Elbv2AwaitDrain,
    Elbv2AwaitDrainParams,
    Elbv2AwaitHealthy,
    Elbv2AwaitHealthyParams,
    Elbv2Forward,
    Elbv2ForwardParams,
)
from strategies.commands import aws_cli
from strategies.preflights import or_unknown

# The steps of a blue-green rollback on an Application Load Balancer.

_ARRIVAL_SECONDS = 60.0
"""Patience for the load balancer's nodes to follow the change; it normally takes seconds."""
_HEALTH_MARGIN_SECONDS = 60.0
_HEALTH_READING_SECONDS = 5.0
_DRAIN_READING_SECONDS = 15.0
_USUAL_DRAIN_SECONDS = 180.0
"""A whole minute after the switch, and the time until CloudWatch shows it."""


def elbv2_steps(change: Elbv2Change) -> tuple[Step, ...]:
    """Attach where need be, wait for health, switch, see the old group drain."""
    attach = () if change.group.attached else (_attach_step(change),)
    return (*attach, _healthy_step(change), _switch_step(change), _drain_step(change))


def _attach_step(change: Elbv2Change) -> Step:
    return _forward_step(
        change,
        title=f"Attach {change.group.detail} with weight 0, so that its health is checked",
        old=writable(change.balancing.actions),
        new=change.attached,
        later=(change.switched,),
        estimate=2.0,
    )


def _switch_step(change: Elbv2Change) -> Step:
    return _forward_step(
        change,
        title=f"Send all requests to {change.group.detail}: {change.group.release}",
        old=change.attached,
        new=change.switched,
        undone=() if change.group.attached else (writable(change.balancing.actions),),
        estimate=5.0,
        url=change.version_url,
        milestone=Milestone.SWITCHED,
    )


def _forward_step(
    change: Elbv2Change,
    *,
    title: str,
    old: list[Action],
    new: list[Action],
    estimate: float,
    later: tuple[list[Action], ...] = (),
    undone: tuple[list[Action], ...] = (),
    url: str = "",
    milestone: Milestone | None = None,
) -> Step:
    params = Elbv2ForwardParams(
        place=change.balancing.place,
        old=old,
        new=new,
        later=later,
        names={one.arn: one.colour for one in change.balancing.groups},
        release=change.group.release,
        url=url,
        patience_seconds=_ARRIVAL_SECONDS,
    )
    inverse = params.model_copy(
        update={
            "old": new,
            "new": old,
            "later": undone,
            "release": change.live.release,
        }
    )
    return Step(
        title=title,
        action=_spec(Elbv2Forward.name, params),
        expects={"actions": comparable(old)},
        inverse=_spec(Elbv2Forward.name, inverse, change.balancing.place.command(old)),
        command=change.balancing.place.command(new),
        estimate_seconds=estimate,
        milestone=milestone,
    )


def _healthy_step(change: Elbv2Change) -> Step:
    check = change.group.description
    once = float(check.get("HealthCheckIntervalSeconds") or 30)
    rounds = int(check.get("HealthyThresholdCount") or 5)
    params = Elbv2AwaitHealthyParams(
        region=change.balancing.place.region,
        group_arn=change.group.arn,
        colour=change.group.colour,
        needed=change.needed,
        patience_seconds=once * rounds + _HEALTH_MARGIN_SECONDS,
        interval_seconds=min(_HEALTH_READING_SECONDS, once),
    )
    ready = change.group.attached and change.group.healthy >= change.needed
    return Step(
        title=f"Wait until {change.group.colour} has {change.needed} healthy targets",
        action=_spec(Elbv2AwaitHealthy.name, params),
        expects={"healthy": change.needed},
        inverse=None,
        command=aws_cli(
            params.region,
            "elbv2",
            "wait",
            "target-in-service",
            "--target-group-arn",
            params.group_arn,
        ),
        estimate_seconds=1.0 if ready else once,
        changes=False,
    )


def _drain_step(change: Elbv2Change) -> Step:
    timeout = change.balancing.target.drain_timeout.total_seconds()
    params = Elbv2AwaitDrainParams(
        region=change.balancing.place.region,
        group_arn=change.live.arn,
        colour=change.live.colour,
        old=dimension(change.live.arn),
        new=dimension(change.group.arn),
        load_balancer=dimension(change.balancing.load_balancer["LoadBalancerArn"]),
        timeout_seconds=timeout,
        interval_seconds=min(_DRAIN_READING_SECONDS, timeout),
    )
    return Step(
        title=f"Wait until {change.live.colour} ({change.live.release}) gets no more requests",
        action=_spec(Elbv2AwaitDrain.name, params),
        expects={"group": change.live.arn},
        inverse=None,
        command=_drain_command(params),
        estimate_seconds=min(_USUAL_DRAIN_SECONDS, timeout),
        changes=False,
        milestone=Milestone.DRAINED,
    )


def _drain_command(params: Elbv2AwaitDrainParams) -> str:
    """Wait for a whole minute and CloudWatch, then show the last minutes (GNU date)."""
    call = aws_cli(
        params.region,
        "cloudwatch",
        "get-metric-statistics",
        "--namespace",
        "AWS/ApplicationELB",
        "--metric-name",
        "RequestCountPerTarget",
        "--statistics",
        "Sum",
        "--period",
        60,
        "--dimensions",
        f"Name=TargetGroup,Value={params.old}",
        f"Name=LoadBalancer,Value={params.load_balancer}",
    )
    wait = min(_USUAL_DRAIN_SECONDS, params.timeout_seconds)
    span = (
        "--start-time \"$(date -u -d '3 minutes ago' +%Y-%m-%dT%H:%M:00Z)\" "
        '--end-time "$(date -u +%Y-%m-%dT%H:%M:00Z)"'
    )
    return f"sleep {wait:g}; {call} {span}"


def _spec(kind: str, params: Value, command: str = "") -> StepSpec:
    return StepSpec(kind=kind, params=params.model_dump(mode="json"), command=command)


@dataclass(frozen=True, kw_only=True)
class Elbv2Plan:
    """A change with everything that is known about it."""

    name: str
    change: Elbv2Change

    async def preflights(self, world: World) -> tuple[Preflight, ...]:
        """Everything that can be known before."""
        change, balancing, aws = self.change, self.change.balancing, world.aws
        place = balancing.place
        rights, elsewhere = await asyncio.gather(
            check_actions(aws, place.region, _wanted(change)),
            or_unknown(ELSEWHERE, check_elsewhere(change, aws)),
        )
        return (
            check_health(change),
            check_fit(change),
            check_load_balancer(balancing),
            check_split(change),
            check_stickiness(change),
            check_kept(balancing),
            elsewhere,
            check_ownership(balancing.tags, str(place)),
            rights,
        )

    def build(
        self,
        *,
        preflights: tuple[Preflight, ...],
        candidates: tuple[Candidate, ...],
        observed_at: datetime,
    ) -> Plan:
        """The whole plan."""
        change, live = self.change, self.change.live
        place = change.balancing.place
        return Plan(
            service=self.name,
            strategy="blue-green-elbv2",
            from_release=live.release,
            to_release=change.group.release,
            steps=elbv2_steps(change),
            preflights=preflights,
            not_restored=(
                f"the targets of {live.detail}: they keep running without requests, for debugging",
                "which targets are registered in either group",
                f"other rules and listeners: only {place} is changed",
                "connections that are open already, such as WebSockets: they end by themselves",
            ),
            candidates=candidates,
            observed={
                "place": place.arn,
                "actions": comparable(change.balancing.actions),
                "live": live.colour,
                "target": change.group.colour,
            },
            observed_at=observed_at,
        )


def _wanted(change: Elbv2Change) -> dict[str, str]:
    """Rights that reading has not proven: to modify, and what AWS asks for beside it."""
    place = change.balancing.place
    wanted = {place.permission: place.arn}
    for action in change.balancing.actions:
        if action["Type"] == "authenticate-cognito":
            pool = action["AuthenticateCognitoConfig"]["UserPoolArn"]
            wanted["cognito-idp:DescribeUserPoolClient"] = pool
    return wanted
