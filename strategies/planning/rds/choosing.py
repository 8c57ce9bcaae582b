"""Choosing the point to go back to: what a person names, else what the catalog means."""

from __future__ import annotations

from datetime import UTC, datetime

from bot.config.targets.rds import RdsTarget, SnapshotPoint
from bot.errors import RefusedError
from strategies.planning.rds.points import (
    Point,
    Points,
    before_release,
    named_moment,
    restorable,
    shown,
)

_MOST_CANDIDATES = 10


def offered(points: Points) -> list[Point]:
    """The moment before the release, and the newest snapshots."""
    usable = [one for one in points.snapshots if one.usable][:_MOST_CANDIDATES]
    try:
        before = before_release(points)
    except RefusedError:
        before = None
    return [*([before] if before else []), *usable]


def choose_point(target: RdsTarget, points: Points, wanted: str | None) -> Point:
    """Raises RefusedError with what could be named instead."""
    asked = target.restore
    if wanted is not None:
        return _named(points, wanted)
    if isinstance(asked, SnapshotPoint):
        match asked.snapshot:
            case "before-release":
                return _newest_before(points)
            case "latest":
                return _newest(points)
        return _named(points, asked.snapshot)
    match asked.point_in_time:
        case "before-release":
            return _moment_before(points)
        case "latest":
            return restorable(points, points.latest or datetime.max.replace(tzinfo=UTC))
    return restorable(points, asked.point_in_time)


def _named(points: Points, name: str) -> Point:
    for one in points.snapshots:
        if one.snapshot == name.removeprefix("snapshot "):
            return one
    at = named_moment(name)
    if at is None:
        known = ", ".join(one.release for one in offered(points))
        raise RefusedError(
            f"There is no snapshot or moment “{name}” to go back to.",
            f"Write a moment like 2026-03-02T11:55:00Z, or choose one of: {known or 'none'}.",
        )
    return restorable(points, at)


def _newest(points: Points) -> Point:
    for one in points.snapshots:
        if one.usable:
            return one
    raise RefusedError(
        "The instance has no snapshot that is available.", "Name a moment of its backups instead."
    )


def _newest_before(points: Points) -> Point:
    since = _begin(points)
    for one in points.snapshots:
        if one.usable and one.at < since:
            return one
    raise RefusedError(
        f"No available snapshot is from before the release ({shown(since)}).",
        "Name a moment of its backups instead.",
    )


def _moment_before(points: Points) -> Point:
    return before_release(points) or restorable(points, _begin(points))


def _begin(points: Points) -> datetime:
    """When the bad release began."""
    if points.bad_since is None:
        raise RefusedError(
            "No writer of the catalog tells when the bad release began.",
            "Name the snapshot, or a moment like 2026-03-02T11:55:00Z, to go back to.",
        )
    return points.bad_since
