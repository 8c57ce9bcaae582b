"""What can be wrong with a target group or its load balancer before requests are sent there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from bot.clouds.outside import Aws
from bot.core.values import amount
from bot.incident.plan import Preflight
from strategies.blue_green_elbv2.listener import (
    Balancing,
    Elbv2Change,
    Forward,
    forward_of,
    other_kinds,
)
from strategies.preflights import blocked, passed, warned

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
