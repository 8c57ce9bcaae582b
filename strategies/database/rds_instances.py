"""The DB instances of a region, told apart by what a renaming does not change."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from pydantic import Field

from bot.clouds.kubernetes.objects import DEPLOYMENTS
from bot.clouds.kubernetes.workloads import moment
from bot.core.errors import PermanentError, RefusedError
from bot.core.values import Instant, Value, spoken
from bot.engine.world import World
from bot.incident.plan import Candidate
from strategies.common.aws import last_changed_by
from strategies.common.choice import Option
from strategies.common.commands import aws_cli
from strategies.database.rds_target import RdsTarget
from strategies.kubernetes.workload import revisions

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


# Where an instance can go back to: its snapshots, and moments of its automated backups.

_SECOND = timedelta(seconds=1)
_DATA_OF = "data of "
_SHOWN = "%Y-%m-%d %H:%M:%S UTC"


class Point(Value):
    """One point to go back to."""

    at: Instant
    """The state of the data."""
    snapshot: str = ""
    """Identifier; empty for a moment of the automated backups."""
    usable: bool = True
    """False for a snapshot that is not available."""
    document: dict[str, Any] = Field(default_factory=dict)
    """The snapshot as RDS describes it."""

    @property
    def release(self) -> str:
        """As a release of the data."""
        return f"snapshot {self.snapshot}" if self.snapshot else f"{_DATA_OF}{shown(self.at)}"

    @property
    def detail(self) -> str:
        """Where it comes from."""
        if not self.snapshot:
            return "point in time, by the automated backups"
        kind = self.document.get("SnapshotType", "snapshot")
        return f"{kind} snapshot, made {shown(self.at)}"

    @property
    def key(self) -> str:
        """Tells one point from another."""
        return f"{self.snapshot} {self.at.isoformat()}"

    def option(self) -> Option:
        """For a person to choose."""
        aliases = {self.snapshot} if self.snapshot else {self.at.isoformat()}
        return Option(
            candidate=Candidate(release=self.release, detail=self.detail),
            aliases=frozenset(aliases),
        )


@dataclass(frozen=True, kw_only=True)
class Points:
    """Everything that is known about where one could go."""

    snapshots: tuple[Point, ...]
    """The newest first."""
    earliest: datetime | None
    latest: datetime | None
    """The span of the automated backups; None without them."""
    bad_since: datetime | None
    """When a writer got its newest pod template; None when no writer tells."""


def shown(at: datetime) -> str:
    """A moment for people."""
    return at.astimezone(UTC).strftime(_SHOWN)


async def read_points(target: RdsTarget, live: Description, world: World) -> Points:
    """Ask for snapshots, the span of the backups, and the writers' newest revisions."""
    pages, span, since = await asyncio.gather(
        world.aws.pages(
            "rds",
            "describe_db_snapshots",
            region=target.region,
            DBInstanceIdentifier=target.instance,
        ),
        _span(target, live, world),
        _bad_since(target, world),
    )
    found = [_snapshot(one) for page in pages for one in page.get("DBSnapshots") or []]
    ordered = sorted(found, key=lambda one: one.at, reverse=True)
    return Points(snapshots=tuple(ordered), earliest=span[0], latest=span[1], bad_since=since)


def named_moment(text: str) -> datetime | None:
    """A moment that a person wrote: ISO 8601 with its zone, or a release of ours."""
    try:
        at = datetime.fromisoformat(text.removeprefix(_DATA_OF).replace(" UTC", "+00:00"))
    except ValueError:
        return None
    if at.tzinfo is None:
        raise RefusedError(
            f"“{text}” does not say in which time zone.", "Write it like 2026-03-02T11:55:00Z."
        )
    return at.astimezone(UTC)


def restorable(points: Points, at: datetime) -> Point:
    """A moment as a point. Raises RefusedError outside of the automated backups."""
    if points.latest is None:
        raise RefusedError(
            "The instance has no automated backups (its retention is 0 days).",
            "Name a snapshot instead.",
        )
    if at > points.latest:
        raise RefusedError(
            f"{shown(at)} cannot be restored yet: the backups reach to {shown(points.latest)}.",
            "They follow about five minutes behind. Name an earlier moment, or wait.",
        )
    if points.earliest is not None and at < points.earliest:
        raise RefusedError(
            f"{shown(at)} cannot be restored any more: the backups begin {shown(points.earliest)}.",
            "Name a later moment or a snapshot.",
        )
    # RDS restores to whole seconds.
    return Point(at=at.astimezone(UTC).replace(microsecond=0))


def before_release(points: Points) -> Point | None:
    """The last second before the release that can be restored."""
    if points.bad_since is None or points.latest is None:
        return None
    return restorable(points, min(points.bad_since - _SECOND, points.latest))


def _snapshot(found: dict[str, Any]) -> Point:
    # A copy is younger than the data in it; one that is being made has no time yet.
    at = found.get("OriginalSnapshotCreateTime") or found.get("SnapshotCreateTime")
    return Point(
        at=at.astimezone(UTC) if at else datetime.fromtimestamp(0, UTC),
        snapshot=str(found["DBSnapshotIdentifier"]),
        usable=found.get("Status") == "available" and at is not None,
        document={
            key: value.isoformat() if isinstance(value, datetime) else value
            for key, value in found.items()
        },
    )


async def _span(
    target: RdsTarget, live: Description, world: World
) -> tuple[datetime | None, datetime | None]:
    days = int(live.get("BackupRetentionPeriod") or 0)
    latest: datetime | None = live.get("LatestRestorableTime")
    if not days or latest is None:
        return None, None
    answer = await world.aws.call(
        "rds",
        "describe_db_instance_automated_backups",
        region=target.region,
        DBInstanceIdentifier=target.instance,
    )
    for backup in answer.get("DBInstanceAutomatedBackups") or []:
        window = backup.get("RestoreWindow") or {}
        if backup.get("Status") == "active" and window.get("EarliestTime"):
            return window["EarliestTime"], window.get("LatestTime") or latest
    created: datetime = live["InstanceCreateTime"]
    return max(created, latest - timedelta(days=days)), latest


async def _bad_since(target: RdsTarget, world: World) -> datetime | None:
    """The creation of the writers' newest ReplicaSet: going back makes no new one."""
    times = []
    for writer in target.writers:
        deployment = await world.cluster.get(DEPLOYMENTS, writer.namespace, writer.deployment)
        found = await revisions(world, writer.namespace, deployment)
        times += [moment(one["metadata"].get("creationTimestamp")) for one in found]
    return max(filter(None, times), default=None)


# The AWS CLI's calls for a restore by hand.

_WAITER_SECONDS = 1800.0
"""60 attempts, 30 seconds apart (botocore's waiters for RDS)."""


def rename_command(region: str, old: str, new: str, seconds: float) -> str:
    """Rename and wait until the new name is known."""
    call = aws_cli(
        region,
        *("rds", "modify-db-instance", "--apply-immediately"),
        *("--db-instance-identifier", old, "--new-db-instance-identifier", new),
    )
    # The waiter gives up on a name that does not exist yet.
    seen = describe_command(region, new)
    waits = wait_command(region, new, seconds)
    return f"{call}\nuntil {seen} >/dev/null 2>&1; do sleep 10; done\n{waits}"


def describe_command(region: str, name: str) -> str:
    """Show the instance."""
    return aws_cli(region, "rds", "describe-db-instances", "--db-instance-identifier", name)


def wait_command(region: str, name: str, seconds: float) -> str:
    """Wait until it is available, for so long; each waiter gives up after half an hour."""
    wait = aws_cli(region, "rds", "wait", "db-instance-available", "--db-instance-identifier", name)
    rounds = math.ceil(seconds / _WAITER_SECONDS)
    if rounds < 2:
        return wait
    return f"for n in {' '.join(map(str, range(1, rounds + 1)))}; do {wait} && break; done"


def call_command(region: str, verb: str, arguments: Any) -> str:
    """A call with its arguments as one JSON document."""
    text = json.dumps(arguments, separators=(",", ":"), sort_keys=True)
    return aws_cli(region, "rds", verb, "--cli-input-json", text)
