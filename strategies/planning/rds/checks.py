"""Preflights of a restore of an RDS instance."""

from __future__ import annotations

import asyncio

from bot.domain.plan import Preflight
from bot.domain.values import spoken
from bot.ports.world import World
from strategies.planning.rds.instances import (
    RESTORED_TAG,
    SERVED_TAG,
    USABLE,
    name_of,
    status_of,
    tags_of,
)
from strategies.planning.rds.points import shown
from strategies.planning.rds.restore import RdsChange
from strategies.planning.rds.surroundings import check_surroundings
from strategies.preflights.iam import check_actions
from strategies.preflights.ownership import check_ownership
from strategies.preflights.verdicts import blocked, passed, warned
from strategies.preflights.writers import check_writers

_RESTORE = {True: "RestoreDBInstanceFromDBSnapshot", False: "RestoreDBInstanceToPointInTime"}


async def preflights(change: RdsChange, world: World) -> tuple[Preflight, ...]:
    """Everything that can be known before."""
    rights, around = await asyncio.gather(
        check_actions(world.aws, change.target.region, wanted(change)),
        check_surroundings(change, world),
    )
    return (
        *_point(change, world),
        _state(change),
        _names(change),
        *around,
        rights,
        check_ownership({name_of(change.live): change.tags}, f"instance {change.target.instance}"),
        *await check_writers(world, change.writers, connected=None),
    )


def wanted(change: RdsChange) -> dict[str, str | tuple[str, ...]]:
    """Rights that reading has not proven, each with the ARNs that it is needed for."""
    arn = str(change.live["DBInstanceArn"])
    place = arn.rsplit(":", 1)[0]
    new, aside = f"{place}:{change.new}", f"{place}:{change.aside}"
    source = str(change.point.document.get("DBSnapshotArn", arn))
    features = {str(one["RoleArn"]) for one in change.live.get("AssociatedRoles") or []}
    passed_on = features | ({str(change.live.get("MonitoringRoleArn") or "")} - {""})
    return {
        f"rds:{_RESTORE[bool(change.point.snapshot)]}": (source, new),
        "rds:AddTagsToResource": new,
        # Of the old one under either name: it is renamed, and back by an undo.
        "rds:ModifyDBInstance": (new, arn, aside),
        "rds:RebootDBInstance": new,
        **({"rds:AddRoleToDBInstance": new} if features else {}),
        **({"iam:PassRole": tuple(sorted(passed_on))} if passed_on else {}),
    }


def _point(change: RdsChange, world: World) -> tuple[Preflight, ...]:
    point, target = change.point, change.target
    age = (world.clock.now() - point.at).total_seconds()
    found = [
        (warned if age > target.max_age.total_seconds() else passed)(
            "Age of the restore point",
            f"The data are those of {shown(point.at)}, {spoken(max(0.0, age))} ago: all changes "
            "since then are lost.",
        ),
        _before_the_release(change),
    ]
    if point.snapshot:
        found += _snapshot(change)
    return tuple(found)


def _before_the_release(change: RdsChange) -> Preflight:
    name, since = "Before the release", change.points.bad_since
    if since is None:
        return warned(
            name,
            "No writer tells when the bad release began: make sure that the data of "
            f"{shown(change.point.at)} are from before it.",
        )
    if change.point.at >= since:
        return warned(
            name,
            f"A writer got its newest pod template {shown(since)}: these data may hold what the "
            "bad release wrote.",
        )
    return passed(
        name,
        f"{spoken((since - change.point.at).total_seconds())} before a writer got its newest pod "
        f"template ({shown(since)}).",
    )


def _snapshot(change: RdsChange) -> list[Preflight]:
    name, found, live = "Snapshot", change.point.document, change.live
    title = change.point.snapshot
    if not change.point.usable:
        return [blocked(name, f"{title} is {found.get('Status')}. Choose another one.")]
    version, now = str(found.get("EngineVersion", "")), str(live.get("EngineVersion", ""))
    if _major(version) != _major(now):
        return [
            blocked(
                name,
                f"{title} holds {found.get('Engine')} {version}, the live instance runs {now}: "
                "its parameter group does not fit. Restore by hand.",
            )
        ]
    made_of, mine = found.get("DbiResourceId"), live.get("DbiResourceId")
    if made_of and mine and made_of != mine:
        sentence = f"{title} was made of another instance that had this name before ({made_of})."
        return [warned(name, sentence)]
    if version != now:
        return [warned(name, f"{title} holds version {version}, the live instance runs {now}.")]
    return [passed(name, f"{title} is available and holds version {version}.")]


def _major(version: str) -> str:
    """PostgreSQL counts major versions by one number since 10, others by two."""
    parts = version.split(".")
    return parts[0] if parts[0].isdigit() and int(parts[0]) >= 10 else ".".join(parts[:2])


def _state(change: RdsChange) -> Preflight:
    name, live = "Instance", change.live
    status = status_of(live)
    if status not in USABLE:
        return blocked(
            name,
            f"{change.target.instance} is {status}: RDS renames only what is available. Wait, or "
            "start it.",
        )
    pending = sorted(set(live.get("PendingModifiedValues") or {}))
    if pending:
        return warned(
            name, f"Changes wait for the maintenance window and are not passed on: {pending}."
        )
    kept = "is protected from deletion" if live.get("DeletionProtection") else "can be deleted"
    sentence = f"{change.target.instance} is {status}; kept as {change.aside}, it {kept}."
    return (passed if live.get("DeletionProtection") else warned)(name, sentence)


def _names(change: RdsChange) -> Preflight:
    name = "Names"
    if change.aside in change.found.by_name:
        return blocked(name, f"There is an instance {change.aside}. Rename it first.")
    left = change.found.by_name.get(change.new)
    if left is None:
        return passed(name, f"New: {change.new}; the old one is kept as {change.aside}.")
    if tags_of(left).get(RESTORED_TAG) != change.token:
        return blocked(name, f"There is an instance {change.new}. Rename it first.")
    if SERVED_TAG in tags_of(left):
        return blocked(
            name,
            f"{change.new} was restored from here before and has served since: its data are no "
            "longer those of the restore point. Rename or delete it first.",
        )
    return passed(
        name, f"{change.new} was restored from here before and never served: it is used as it is."
    )
