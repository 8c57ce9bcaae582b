"""Who changed something in AWS, and when, as CloudTrail's event history tells."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from bot.domain.values import Instant, Value
from bot.errors import RollbackBotError
from bot.ports.world import World


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
    at. Raises as ``bot.ports.outside.Aws.call``.
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
