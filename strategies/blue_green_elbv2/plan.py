"""The plan of a blue-green rollback on ELBv2: its preflights, and what must be said before."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.clouds.outside import Aws
from bot.core.values import Value, amount
from bot.engine.world import World
from bot.incident.plan import Candidate, Milestone, Plan, Preflight, Step, StepSpec
from strategies.blue_green_elbv2.listener import (
    Action,
    Balancing,
    Elbv2Change,
    Forward,
    comparable,
    dimension,
    forward_of,
    other_kinds,
    writable,
)
from strategies.blue_green_elbv2.steps import (
    Elbv2AwaitDrain,
    Elbv2AwaitDrainParams,
    Elbv2AwaitHealthy,
    Elbv2AwaitHealthyParams,
    Elbv2Forward,
    Elbv2ForwardParams,
)
from strategies.common.aws import check_actions, check_ownership
from strategies.common.commands import aws_cli
from strategies.common.preflights import blocked, or_unknown, passed, warned

# What can be wrong with a target group or its load balancer before requests are sent there.

HEALTH = "Target health"
FIT = "Target group"
BALANCER = "Load balancer"
SPLIT = "Traffic split"
STICKINESS = "Stickiness"
KEPT = "Other actions"
_MOST_GROUPS = 5
"""Target groups that a forward action can hold."""


def check_health(change: Elbv2Change) -> Preflight:
    """Healthy targets against those of the live group; unchecked ones are not called healthy."""
    group, live, needed = change.group, change.live, change.needed
    trouble = next((f" ({t.name}: {t.problem})" for t in group.targets if t.problem), "")
    healthy = amount(group.healthy, "healthy target")
    counted = f"{group.colour} has {healthy}, {live.colour} has {live.healthy}"
    if group.possible < needed:
        return blocked(
            HEALTH,
            f"{group.colour} has {amount(group.possible, 'target')} that may be healthy, "
            f"{live.colour} has {live.healthy} healthy ones{trouble}. Register or start at least "
            f"{needed} first.",
        )
    if not group.attached:
        return warned(
            HEALTH,
            f"{group.colour} is in no rule, so none of its {amount(group.possible, 'target')} "
            f"has ever been health-checked. The plan attaches it with weight 0 and waits for "
            f"{needed} healthy ones before any request goes there.",
        )
    if group.healthy == 0:
        return blocked(
            HEALTH,
            f"No target of {group.colour} is healthy{trouble}. The load balancer would send "
            "requests to all of them regardless. Mend them first.",
        )
    if group.healthy < needed:
        return blocked(HEALTH, f"{counted}{trouble}. Bring more targets up first.")
    if live.healthy == 0:
        return warned(
            HEALTH,
            f"No target of {live.colour} is healthy, so nobody can tell how many are needed; "
            f"{group.colour} has {group.healthy} of {len(group.targets)} (of {live.colour}, "
            f"{len(live.targets)} are registered).",
        )
    if group.healthy < len(live.targets):
        return warned(
            HEALTH,
            f"{counted}, but {len(live.targets)} are registered there: it may be too few.",
        )
    return passed(HEALTH, f"{counted}.")


def check_fit(change: Elbv2Change) -> Preflight:
    """Would AWS accept the group in this rule?"""
    group, balancer = change.group, change.balancing.load_balancer
    described, own = group.description, balancer["LoadBalancerArn"]
    elsewhere = [arn for arn in described.get("LoadBalancerArns") or [] if arn != own]
    if elsewhere:
        return blocked(
            FIT,
            f"{group.name} is used by another load balancer ({elsewhere[0].split('/', 1)[1]}); a "
            "target group can be used by one only.",
        )
    vpc = described.get("VpcId")
    if vpc and vpc != balancer.get("VpcId"):
        return blocked(
            FIT, f"{group.name} is in {vpc}, the load balancer in {balancer.get('VpcId')}."
        )
    if not group.attached and len(change.balancing.forward.weights) >= _MOST_GROUPS:
        return blocked(
            FIT, f"The rule holds {_MOST_GROUPS} target groups already; take one out first."
        )
    live, versions = change.live.description, "ProtocolVersion"
    if described.get(versions) != live.get(versions):
        return warned(
            FIT,
            f"{group.name} speaks {described.get(versions) or 'no version'}, "
            f"{change.live.name} {live.get(versions) or 'no version'}.",
        )
    return passed(FIT, f"{group.name} exists and fits the load balancer.")


def check_load_balancer(balancing: Balancing) -> Preflight:
    """It must work itself."""
    found = balancing.load_balancer
    state = (found.get("State") or {}).get("Code", "unknown")
    name = found["LoadBalancerName"]
    if state == "failed":
        return blocked(BALANCER, f"Load balancer {name} has failed.")
    if state != "active":
        return warned(BALANCER, f"Load balancer {name} is {state.replace('_', ' ')}.")
    return passed(BALANCER, f"Load balancer {name} is active.")


def check_split(change: Elbv2Change) -> Preflight:
    """Several groups serving is a canary that somebody left behind."""
    serving = change.balancing.serving
    if len(serving) < 2:
        return passed(SPLIT, f"All requests go to {change.live.colour}.")
    weights = change.balancing.forward.weights
    shares = ", ".join(f"{one.colour} ({one.release}) {weights[one.arn]}" for one in serving)
    return warned(
        SPLIT, f"Several groups get requests: {shares}. Afterwards {change.group.colour} gets all."
    )


def check_stickiness(change: Elbv2Change) -> Preflight:
    """Clients that stick to a group do not care for weights."""
    sticky = change.balancing.forward.sticky_seconds
    if change.alone:
        return warned(
            STICKINESS,
            "Targets keep their clients by a cookie, and then AWS allows several groups only with "
            f"group stickiness, which beats weights. So {change.group.colour} becomes the rule's "
            f"only group; {change.live.colour} leaves it and is no longer health-checked.",
        )
    if sticky is not None:
        return warned(
            STICKINESS,
            f"Clients stick to their target group for {sticky} s, whatever the weights say. The "
            "plan switches that off in the same call; the inverse switches it on again.",
        )
    return passed(STICKINESS, "Clients do not stick to a target group.")


def check_kept(balancing: Balancing) -> Preflight:
    """AWS replaces the whole list of actions."""
    kinds = other_kinds(balancing.actions)
    if not kinds:
        return passed(KEPT, "There are no other actions.")
    secret = (
        " AWS keeps the client secret, which nobody can read."
        if "authenticate-oidc" in kinds
        else ""
    )
    return passed(KEPT, f"Sent back as they are: {', '.join(kinds)}.{secret}")


# Other rules of a load balancer that send requests to the same target group.

ELSEWHERE = "Other rules"


async def check_elsewhere(change: Elbv2Change, aws: Aws) -> Preflight:
    """Other rules of the load balancer that forward to the live group stay as they are."""
    balancing = change.balancing
    places = await _places(balancing, aws)
    strays = [name for name, forward in places if change.live.arn in forward.serving]
    if strays:
        return warned(
            ELSEWHERE,
            f"{change.live.colour} also gets requests by {', '.join(strays)}, which this plan "
            "leaves as they are.",
        )
    return passed(ELSEWHERE, f"No other rule forwards to {change.live.colour}.")


async def _places(balancing: Balancing, aws: Aws) -> list[tuple[str, Forward]]:
    """Every other rule of the load balancer that forwards, by a name for people."""
    region, own = balancing.place.region, balancing.place.arn
    pages = await aws.pages(
        "elbv2",
        "describe_listeners",
        region=region,
        LoadBalancerArn=balancing.load_balancer["LoadBalancerArn"],
    )
    listeners = [one for page in pages for one in page["Listeners"]]
    answers = await asyncio.gather(
        *(
            aws.pages("elbv2", "describe_rules", region=region, ListenerArn=one["ListenerArn"])
            for one in listeners
        )
    )
    found = []
    for listener, rules in zip(listeners, answers, strict=True):
        for rule in (rule for page in rules for rule in page["Rules"]):
            arn = listener["ListenerArn"] if rule.get("IsDefault") else rule["RuleArn"]
            if arn != own and _forwards(rule["Actions"]):
                name = f"port {listener.get('Port')}, {_rule_name(rule)}"
                found.append((name, forward_of(rule["Actions"])))
    return found


def _forwards(actions: Sequence[dict[str, Any]]) -> bool:
    return any(action["Type"] == "forward" for action in actions)


def _rule_name(rule: dict[str, Any]) -> str:
    return "default action" if rule.get("IsDefault") else f"rule with priority {rule['Priority']}"


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
