"""May the bot do it? Where AWS has no dry run, IAM's own simulation is asked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from bot.clouds.outside import Aws
from bot.core.errors import PermanentError, RollbackBotError, TemporaryError
from bot.core.values import Instant, Value
from bot.engine.world import World
from bot.incident.plan import Preflight
from strategies.common.preflights import blocked, passed, warned

# Who changed something in AWS, and when, as CloudTrail's event history tells.


class Change(Value):
    """A call that changed something."""

    by: str
    """ARN of the user or role session."""
    at: Instant
    request: dict[str, Any]
    """The call's parameters in CloudTrail's spelling."""


async def changes_of(
    world: World, region: str, *, event: str, parameter: str, value: str
) -> tuple[Change, ...]:
    """Successful calls of this name with this parameter, the latest first.

    Events appear some minutes after the call, and only the latest fifty of a name are looked
    at. Raises as ``bot.clouds.outside.Aws.call``.
    """
    answer = await world.aws.call(
        "cloudtrail",
        "lookup_events",
        region=region,
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": event}],
        MaxResults=50,
    )
    found = []
    for entry in answer.get("Events") or []:
        record = json.loads(entry.get("CloudTrailEvent") or "{}")
        request = record.get("requestParameters") or {}
        if request.get(parameter) == value and not record.get("errorCode"):
            identity = record.get("userIdentity") or {}
            by = identity.get("arn") or entry.get("Username") or "somebody"
            at: datetime = entry["EventTime"]
            found.append(Change(by=str(by), at=at, request=request))
    return tuple(sorted(found, key=lambda change: change.at, reverse=True))


async def last_changed_by(
    world: World, region: str, *, event: str, parameter: str, value: str
) -> str:
    """The last one's name and time for a sentence; says so when CloudTrail cannot tell."""
    try:
        changes = await changes_of(world, region, event=event, parameter=parameter, value=value)
    except RollbackBotError as error:
        return f"somebody (CloudTrail could not be asked: {error.what})"
    if changes:
        return f"{changes[0].by} at {changes[0].at:%H:%M:%S} UTC"
    return "somebody (CloudTrail does not show it yet; its events come some minutes late)"


IAM_RIGHTS = "Rights"
_SESSION = re.compile(r"(arn:[^:]+):sts::(\d+):assumed-role/([^/]+)/.*")


async def check_actions(
    aws: Aws, region: str, wanted: Mapping[str, str | tuple[str, ...]]
) -> Preflight:
    """Simulates each action (``elasticloadbalancing:ModifyRule``) on the ARNs that it concerns.

    What the simulation cannot tell is a warning: it needs rights of its own, and does not know
    the conditions of every policy.
    """
    names = ", ".join(wanted)
    try:
        identity = await aws.call("sts", "get_caller_identity", region=region)
        source = await _policy_source(aws, region, str(identity["Arn"]))
        if source is None:
            return warned(
                IAM_RIGHTS, f"{identity['Arn']} cannot be simulated, so {names} is unchecked."
            )
        denied: list[str] = []
        unsure: list[str] = []
        for action, resource in _pairs(wanted):
            answer = await aws.call(
                "iam",
                "simulate_principal_policy",
                region=region,
                PolicySourceArn=source,
                ActionNames=[action],
                ResourceArns=[resource],
            )
            for result in answer["EvaluationResults"]:
                if result["EvalDecision"] != "allowed":
                    (unsure if result.get("MissingContextValues") else denied).append(action)
    except (PermanentError, TemporaryError) as error:
        return warned(
            IAM_RIGHTS,
            f"What the plan reads could be read. AWS has no dry run for {names}, and IAM's "
            f"simulation could not be asked: {error.what}",
        )
    if denied:
        what = ", ".join(dict.fromkeys(denied))
        return blocked(IAM_RIGHTS, f"{source} may not {what}. Grant it as in deploy/iam/.")
    if unsure:
        what = ", ".join(dict.fromkeys(unsure))
        return warned(
            IAM_RIGHTS, f"{source} may {what} only under conditions that were not simulated."
        )
    return passed(IAM_RIGHTS, f"{source} may {names}, by IAM's simulation.")


def _pairs(wanted: Mapping[str, str | tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    for action, resources in wanted.items():
        for resource in (resources,) if isinstance(resources, str) else resources:
            yield action, resource


async def _policy_source(aws: Aws, region: str, arn: str) -> str | None:
    """The user or role whose policies count; a session's name does not tell the role's path."""
    session = _SESSION.fullmatch(arn)
    if session is None:
        return arn if ":user/" in arn else None
    answer = await aws.call("iam", "get_role", region=region, RoleName=session.group(3))
    return str(answer["Role"]["Arn"])


# Would the tool that owns an AWS resource undo the rollback?

OWNERSHIP = "Infrastructure as code"
_STACK = "aws:cloudformation:stack-name"
_CONTROLLER = "elbv2.k8s.aws/cluster"
_BY_HAND = ("terraform", "opentofu", "pulumi")
"""These tools leave no tag of their own; most teams add one that names them."""


def check_ownership(tags: Mapping[str, Mapping[str, str]], what: str) -> Preflight:
    """Warns by the tags of the resources (ARN → tags) that the plan changes or relies on."""
    owners = sorted({owner for one in tags.values() for owner in _owners(one)})
    if not owners:
        return passed(
            OWNERSHIP,
            f"No tag says that a tool owns {what}. Terraform sets no tag by itself: if it does "
            "own it, the next apply undoes the rollback.",
        )
    return warned(
        OWNERSHIP,
        f"{', '.join(owners)} owns {what} and undoes the rollback with its next run. Stop its "
        "pipeline, and change it there too.",
    )


def _owners(tags: Mapping[str, str]) -> list[str]:
    found = []
    if _STACK in tags:
        found.append(f"CloudFormation stack {tags[_STACK]}")
    if _CONTROLLER in tags:
        found.append(f"the AWS Load Balancer Controller of cluster {tags[_CONTROLLER]}")
    text = " ".join(f"{key} {value}" for key, value in tags.items()).lower()
    found += [name.capitalize() for name in _BY_HAND if name in text]
    return found
