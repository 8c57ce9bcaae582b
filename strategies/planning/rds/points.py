"""Where an instance can go back to: its snapshots, and moments of its automated backups."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import Field

from bot.config.targets.rds import RdsTarget
from bot.domain.plan import Candidate
from bot.domain.values import Instant, Value
from bot.domain.workloads import moment
from bot.errors import RefusedError
from bot.ports.cluster import DEPLOYMENTS
from bot.ports.world import World
from strategies.kubernetes.history import revisions
from strategies.planning.rds.instances import Description
from strategies.targets import Option

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
