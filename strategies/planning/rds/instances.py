"""The DB instances of a region, told apart by what a renaming does not change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from bot.domain.values import Instant, Value, spoken
from bot.errors import PermanentError
from bot.ports.world import World
from strategies.aws.trail import last_changed_by

Description: TypeAlias = dict[str, Any]
"""A DBInstance as RDS describes it."""

RESTORED_TAG = "rollback-bot:restore"
"""Its value names the restore that made an instance."""
SERVED_TAG = "rollback-bot:served"
"""On a restored instance that has taken the live one's place at least once."""

USABLE = {"available", "storage-optimization", "storage-initialization"}
"""States in which an instance answers and can be changed."""
_HOPELESS = {
    "failed",
    "inaccessible-encryption-credentials",
    "incompatible-credentials",
    "incompatible-network",
    "incompatible-option-group",
    "incompatible-parameters",
    "incompatible-restore",
    "insufficient-capacity",
    "restore-error",
    "storage-full",
}
"""States that RDS does not leave without somebody's help.

Source: Amazon RDS User Guide, Viewing Amazon RDS DB instance status.
"""


class Which(Value):
    """One instance, whatever it is called at present."""

    resource_id: str = ""
    created: Instant | None = None
    """When it was made: with the id for emulators that give every instance the same one."""
    token: str = ""
    """Of a restored one instead: its tag, since its id is not known when the plan is made."""

    def is_it(self, found: Description) -> bool:
        """Whether this is the one."""
        if self.token:
            return tags_of(found).get(RESTORED_TAG) == self.token
        return (
            found.get("DbiResourceId") == self.resource_id
            and found.get("InstanceCreateTime") == self.created
        )


@dataclass(frozen=True, kw_only=True)
class Instances:
    """All of a region, by their present names."""

    by_name: dict[str, Description]

    def find(self, which: Which) -> Description | None:
        """The instance, under whatever name; None while RDS does not show it."""
        return next((one for one in self.by_name.values() if which.is_it(one)), None)


def identity_of(found: Description) -> Which:
    """What a renaming leaves as it is. Raises PermanentError for one that is just being made."""
    created: datetime | None = found.get("InstanceCreateTime")
    if created is None:
        raise PermanentError(
            f"Instance {name_of(found)} is still being made ({status_of(found)}).",
            "Wait until it is available.",
        )
    resource_id = str(found.get("DbiResourceId", ""))
    return Which(resource_id=resource_id, created=created.astimezone(UTC))


def name_of(found: Description) -> str:
    """Its present name."""
    return str(found["DBInstanceIdentifier"])


def status_of(found: Description) -> str:
    """``available``, ``creating``, ``renaming`` …"""
    return str(found.get("DBInstanceStatus", "unknown"))


def tags_of(found: Description) -> dict[str, str]:
    """Its tags."""
    return {tag["Key"]: tag.get("Value") or "" for tag in found.get("TagList") or []}


def own_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags that can be passed on: AWS keeps its own, and ours mean one instance."""
    return {
        key: value
        for key, value in sorted(tags.items())
        if not key.startswith(("aws:", "rollback-bot:"))
    }


def pending_name(found: Description) -> str:
    """The name that it is about to get; empty when none is asked for."""
    return str((found.get("PendingModifiedValues") or {}).get("DBInstanceIdentifier") or "")


async def list_instances(world: World, region: str) -> Instances:
    """One listing, so that an instance under a new name is found as well."""
    pages = await world.aws.pages("rds", "describe_db_instances", region=region)
    found = [one for page in pages for one in page.get("DBInstances") or []]
    return Instances(by_name={name_of(one): one for one in found})


async def await_instance(
    world: World,
    region: str,
    which: Which,
    *,
    name: str,
    patience: timedelta,
    interval_seconds: float,
) -> Description:
    """The instance once it is usable under this name and nothing is pending.

    Raises PermanentError for a state that it does not leave by itself, or when nothing visible
    happens for ``patience``.
    """
    seen: set[str] = set()
    since = world.clock.now()
    while True:
        found = (await list_instances(world, region)).find(which)
        if found is not None and status_of(found) in _HOPELESS:
            raise PermanentError(
                f"Instance {name_of(found)} is {status_of(found)}: RDS does not get any further.",
                "Look at its events in the RDS console. Nothing is deleted by the bot.",
            )
        if found is not None and _is_settled(found, name):
            return found
        now, shown = world.clock.now(), _progress(found)
        if shown not in seen:
            # A state that comes back, such as a backup's, is no progress.
            seen.add(shown)
            since = now
        left = (patience - (now - since)).total_seconds()
        if left <= 0:
            raise PermanentError(
                f"After {spoken(patience.total_seconds())} without progress {name} is {shown}.",
                "Look at its events in the RDS console; then plan again, which goes on from there.",
            )
        await world.clock.sleep(min(interval_seconds, left))


async def changed_by(world: World, region: str, name: str) -> str:
    """Who modified the instance of this name last, as CloudTrail tells."""
    return await last_changed_by(
        world, region, event="ModifyDBInstance", parameter="dBInstanceIdentifier", value=name
    )


def _is_settled(found: Description, name: str) -> bool:
    pending = pending_name(found)
    return name_of(found) == name and status_of(found) in USABLE and pending in {"", name}


def _progress(found: Description | None) -> str:
    if found is None:
        return "not shown by RDS"
    share = found.get("PercentProgress")
    done = f", {share} % done" if share else ""
    return f"{name_of(found)}: {status_of(found)}{done}"
