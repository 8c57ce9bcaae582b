"""The steps of a blue-green rollback on an Application Load Balancer."""

from __future__ import annotations

from bot.domain.plan import Milestone, Step, StepSpec
from bot.domain.values import Value
from strategies.commands import aws_cli
from strategies.planning.elbv2.actions import Action, comparable, writable
from strategies.planning.elbv2.change import Elbv2Change
from strategies.planning.elbv2.place import dimension
from strategies.steps.elbv2_await_drain import Elbv2AwaitDrain, Elbv2AwaitDrainParams
from strategies.steps.elbv2_await_healthy import Elbv2AwaitHealthy, Elbv2AwaitHealthyParams
from strategies.steps.elbv2_forward import Elbv2Forward, Elbv2ForwardParams

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
