"""An RDS instance as it is now, for people and for the time after."""

from __future__ import annotations

import json
from typing import Any

from bot.config.targets.rds import RdsTarget
from bot.errors import RollbackBotError
from bot.ports.world import Evidence, Instance, World
from strategies.planning.rds.instances import USABLE, list_instances, status_of
from strategies.planning.rds.plan import live_instance
from strategies.planning.rds.restore import live_release

_DAY_MINUTES = 24 * 60


async def rds_instances(target: RdsTarget, world: World) -> tuple[Instance, ...]:
    """The instance itself."""
    found = Instance(
        namespace="rds", name=target.instance, release="unknown", ready=False, askable=False
    )
    try:
        live = live_instance(target, await list_instances(world, target.region))
        ready = status_of(live) in USABLE
        return (
            found.model_copy(
                update={
                    "release": live_release(live),
                    "ready": ready,
                    "problem": "" if ready else f"it is {status_of(live)}",
                }
            ),
        )
    except RollbackBotError as error:
        return (found.model_copy(update={"problem": error.what}),)


async def rds_evidence(target: RdsTarget, world: World) -> tuple[Evidence, ...]:
    """The instance as described, its snapshots, and its events of the last day."""
    calls: dict[str, tuple[str, dict[str, Any]]] = {
        "rds-instance.json": ("describe_db_instances", {"DBInstanceIdentifier": target.instance}),
        "rds-snapshots.json": ("describe_db_snapshots", {"DBInstanceIdentifier": target.instance}),
        "rds-events.json": (
            "describe_events",
            {
                "SourceIdentifier": target.instance,
                "SourceType": "db-instance",
                "Duration": _DAY_MINUTES,
            },
        ),
    }
    kept = []
    for name, (operation, arguments) in calls.items():
        try:
            answer = await world.aws.call("rds", operation, region=target.region, **arguments)
            answer.pop("ResponseMetadata", None)
            text = json.dumps(answer, indent=2, sort_keys=True, default=str) + "\n"
        except RollbackBotError as error:
            text = f"This could not be read: {error.what}\n"
        kept.append(Evidence(name=name, text=text))
    return tuple(kept)
