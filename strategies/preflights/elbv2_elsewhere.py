"""Other rules of a load balancer that send requests to the same target group."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from bot.domain.plan import Preflight
from bot.ports.outside import Aws
from strategies.planning.elbv2.actions import Forward, forward_of
from strategies.planning.elbv2.change import Elbv2Change
from strategies.planning.elbv2.groups import Balancing
from strategies.preflights.verdicts import passed, warned

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
