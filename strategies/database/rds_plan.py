"""The plan that restores an RDS instance: the last resort, as every restore."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bot.core.errors import NotFoundError, RefusedError, RollbackBotError
from bot.core.values import Facts, Value
from bot.engine.world import Evidence, Instance, Observation, World
from bot.incident.plan import Candidate, Milestone, Plan, Preflight, Step, StepSpec
from strategies.common.choice import NAME as TARGET
from strategies.common.choice import Choice, Option, choose, rated
from strategies.common.preflights import passed
from strategies.database.rds_checks import RdsChange, live_release, preflights
from strategies.database.rds_instances import (
    USABLE,
    Description,
    Instances,
    Point,
    Points,
    Which,
    before_release,
    call_command,
    describe_command,
    list_instances,
    named_moment,
    read_points,
    rename_command,
    restorable,
    shown,
    status_of,
    wait_command,
)
from strategies.database.rds_restore import RdsKeep, RdsKeepParams, RdsRestore, RdsRestoreParams
from strategies.database.rds_settings import afterwards, restore_arguments
from strategies.database.rds_steps import (
    RdsAdjust,
    RdsAdjustParams,
    RdsCompare,
    RdsCompareParams,
    RdsRename,
    RdsRenameParams,
    RdsVerify,
    RdsVerifyParams,
)
from strategies.database.rds_target import RdsTarget, SnapshotPoint
from strategies.database.writers import downtime, record_writers, start_steps, stop_steps

# Choosing the point to go back to: what a person names, else what the catalog means.

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


# The steps that put a restored RDS instance into the live one's place, and look at both.

COMPARE_SECONDS = 60.0
RENAME_SECONDS = 600.0
"""RDS makes a new endpoint's name known in about ten minutes."""
_POLL_SECONDS = 15.0


def compare(change: RdsChange) -> Step:
    """Settings, and rows where the catalog says how to connect."""
    target = change.target
    params = RdsCompareParams(
        region=target.region,
        instance=target.instance,
        source=change.source,
        token=change.token,
        settings=change.settings,
        engine=change.engine,
        sql=change.sql,
    )
    return _look(
        f"Compare {change.new} with {target.instance}: settings, rows, checks",
        RdsCompare.name,
        params,
        expects={"settings": change.settings},
        command=describe_command(target.region, change.new),
        seconds=COMPARE_SECONDS,
    )


def rename_aside(change: RdsChange) -> Step:
    """The live one leaves its name, and is kept."""
    return _rename(
        change,
        change.source,
        change.target.instance,
        change.aside,
        title=f"Rename {change.target.instance} to {change.aside}; it is kept",
    )


def rename_in(change: RdsChange) -> Step:
    """The restored one takes it."""
    return _rename(
        change,
        Which(token=change.token),
        change.new,
        change.target.instance,
        title=f"Rename {change.new} to {change.target.instance}: its endpoint is the known one",
    )


def _rename(change: RdsChange, which: Which, old: str, new: str, *, title: str) -> Step:
    target = change.target
    params = RdsRenameParams(
        region=target.region,
        which=which,
        old=old,
        new=new,
        serves=new == target.instance,
        patience_seconds=target.rename_timeout.total_seconds(),
        interval_seconds=_POLL_SECONDS,
    )
    seconds = params.patience_seconds
    back = params.model_copy(update={"old": new, "new": old, "serves": old == target.instance})
    return Step(
        title=title,
        action=_spec(RdsRename.name, params),
        expects={"name": old},
        inverse=_spec(RdsRename.name, back, rename_command(target.region, new, old, seconds)),
        command=rename_command(target.region, old, new, seconds),
        estimate_seconds=RENAME_SECONDS,
    )


def verify(change: RdsChange) -> Step:
    """Whether the name leads to the restored one, with sound data."""
    target = change.target
    params = RdsVerifyParams(
        region=target.region, instance=target.instance, token=change.token, sql=change.sql
    )
    return _look(
        f"Verify that {target.instance} is the restored instance",
        RdsVerify.name,
        params,
        expects={"restore": change.token},
        command=describe_command(target.region, target.instance),
        seconds=5.0,
    )


def _look(
    title: str, kind: str, params: Value, *, expects: Facts, command: str, seconds: float
) -> Step:
    """A step that changes nothing."""
    return Step(
        title=title,
        action=_spec(kind, params),
        expects=expects,
        inverse=None,
        command=command,
        estimate_seconds=seconds,
        changes=False,
    )


def _spec(kind: str, params: Value, command: str = "") -> StepSpec:
    return StepSpec(kind=kind, params=params.model_dump(mode="json"), command=command)


# The steps of a restore of an RDS instance.

RESTORE_SECONDS = 2400.0
ADJUST_SECONDS = 120.0


def rds_steps(change: RdsChange) -> tuple[Step, ...]:
    """Restore beside, mend, compare, rename the old one aside and the new one in, look."""
    patience = change.target.stop_timeout.total_seconds()
    stops = stop_steps(change.writers, patience=patience)
    starts = start_steps(change.writers, patience=patience)
    first = change.target.stop_writers == "before-restore"
    swap = rename_in(change)
    if not starts:
        swap = swap.model_copy(update={"milestone": Milestone.SWITCHED})
    looked = verify(change)
    last = looked.model_copy(update={"milestone": Milestone.DRAINED})
    if starts:
        title = f"Verify that {change.target.instance} stayed with the application running"
        last = last.model_copy(update={"title": title})
    return (
        *(stops if first else ()),
        _restore(change),
        _adjust(change),
        compare(change),
        *(() if first else stops),
        rename_aside(change),
        swap,
        *((looked, *starts) if starts else ()),
        last,
    )


def _restore(change: RdsChange) -> Step:
    point, target = change.point, change.target
    params = RdsRestoreParams(
        region=target.region,
        source=change.source,
        instance=target.instance,
        new=change.new,
        token=change.token,
        snapshot=point.snapshot,
        time="" if point.snapshot else point.at.isoformat(),
        settings=restore_arguments(change.settings),
        tags=change.tags,
        patience_seconds=target.restore_timeout.total_seconds(),
        interval_seconds=_POLL_SECONDS,
    )
    verb = params.operation.replace("_", "-")
    return Step(
        title=f"Restore {point.release} into the new instance {change.new}",
        action=_spec(RdsRestore.name, params),
        expects={"instance": target.instance, "source": change.source.model_dump(mode="json")},
        inverse=_keep(change),
        command=f"{call_command(target.region, verb, params.arguments)}\n"
        f"{wait_command(target.region, change.new, params.patience_seconds)}",
        estimate_seconds=RESTORE_SECONDS,
    )


def _adjust(change: RdsChange) -> Step:
    target = change.target
    params = RdsAdjustParams(
        region=target.region,
        token=change.token,
        settings=change.settings,
        tags=change.tags,
        patience_seconds=target.rename_timeout.total_seconds(),
        interval_seconds=_POLL_SECONDS,
    )
    rest = {
        name: value
        for name, value in afterwards(change.settings).items()
        if name != "AssociatedRoles"
    }
    modify: Facts = {"DBInstanceIdentifier": change.new, "ApplyImmediately": True, **rest}
    return Step(
        title=f"Give {change.new} the settings that a restore does not pass on",
        action=_spec(RdsAdjust.name, params),
        expects={"settings": change.settings},
        inverse=_keep(change),
        command=f"{call_command(target.region, 'modify-db-instance', modify)}\n"
        f"{wait_command(target.region, change.new, params.patience_seconds)}",
        estimate_seconds=ADJUST_SECONDS,
    )


def _keep(change: RdsChange) -> StepSpec:
    params = RdsKeepParams(region=change.target.region, token=change.token)
    return _spec(RdsKeep.name, params, f"# {change.new} is kept; delete it when unneeded")


async def observe_rds(target: RdsTarget, world: World) -> Observation:
    """The live instance and where it could go back to."""
    live = live_instance(target, await list_instances(world, target.region))
    points = await read_points(target, live, world)
    usable = [one for one in points.snapshots if one.usable]
    until = f"; backups reach to {shown(points.latest)}" if points.latest else ""
    return Observation(
        live_release=live_release(live),
        candidates=tuple(one.option().candidate for one in offered(points)),
        summary=f"RDS instance {target.instance} is {status_of(live)}; {len(usable)} snapshots "
        f"can be restored{until}.",
    )


async def plan_rds(
    target: RdsTarget,
    name: str,
    world: World,
    *,
    wanted: str | None,
    marked_bad: frozenset[str],
    known_good: Sequence[str],
) -> Plan:
    """Refuses without a point to go back to, and for what RDS does not rename one by one."""
    found = await list_instances(world, target.region)
    live = live_instance(target, found)
    points = await read_points(target, live, world)
    point = choose_point(target, points, wanted)
    options = [point.option(), *(one.option() for one in offered(points) if one.key != point.key)]
    choice = _chosen(options, live, wanted, marked_bad=marked_bad, known_good=known_good)
    change = RdsChange(
        target=target,
        live=live,
        found=found,
        points=points,
        point=point,
        writers=await record_writers(world, target.writers),
    )
    checked = await preflights(change, world)
    candidates = tuple(one.candidate for one in options)
    return _built(
        change,
        name,
        choice,
        checked=(choice.preflight, *checked),
        candidates=rated(candidates, marked_bad=marked_bad, known_good=known_good),
        observed_at=world.clock.now(),
    )


def _built(
    change: RdsChange,
    name: str,
    choice: Choice,
    *,
    checked: tuple[Preflight, ...],
    candidates: tuple[Candidate, ...],
    observed_at: datetime,
) -> Plan:
    instance, aside = change.target.instance, change.aside
    return Plan(
        service=name,
        strategy="database",
        from_release=live_release(change.live),
        to_release=choice.option.candidate.release,
        version_after="",
        steps=rds_steps(change),
        preflights=checked,
        not_reversible=(f"after an undo: what was written to {instance} since the swap",),
        not_restored=(
            "the release of the application: roll it back first",
            "read replicas, event subscriptions, alarms and proxies of the old instance",
            "connections by another name than the endpoint's, such as a DNS record of your own",
            f"the old instance: it stays as {aside} and is paid for; delete it when not needed",
        ),
        data_loss=f"Everything written to {instance} after {shown(change.point.at)}, until the "
        f"swap; it stays in {aside} only",
        downtime=downtime(change.writers, 2 * RENAME_SECONDS)
        if change.writers
        else f"The endpoint of {instance} leads nowhere during the two renames, about 20 min",
        candidates=candidates,
        approvers=2,
        typed_confirmation=instance,
        observed={
            "instance": instance,
            "source": change.source.model_dump(mode="json"),
            "settings": change.settings,
            "point": change.point.key,
        },
        observed_at=observed_at,
    )


def live_instance(target: RdsTarget, found: Instances) -> Description:
    """Raises NotFoundError or RefusedError for what the bot cannot restore and rename."""
    live = found.by_name.get(target.instance)
    if live is None:
        raise NotFoundError(
            f"There is no RDS instance {target.instance} in {target.region}.", "Check the catalog."
        )
    if live.get("DBClusterIdentifier"):
        raise RefusedError(
            f"{target.instance} belongs to the cluster {live['DBClusterIdentifier']}: Aurora and "
            "Multi-AZ clusters are restored as a whole, which the bot does not do.",
            "Restore the cluster by hand, or use method restore with a pg_dump archive.",
        )
    source = live.get("ReadReplicaSourceDBInstanceIdentifier")
    if source:
        raise RefusedError(
            f"{target.instance} is a read replica of {source}.", f"Name {source} in the catalog."
        )
    return live


def _chosen(
    options: list[Option],
    live: Description,
    wanted: str | None,
    *,
    marked_bad: frozenset[str],
    known_good: Sequence[str],
) -> Choice:
    """The first option is the point; whether it was marked bad is asked as for every strategy."""
    release = options[0].candidate.release
    if wanted is None and release not in marked_bad:
        sentence = f"{release} is what the catalog says to go back to."
        return Choice(option=options[0], preflight=passed(TARGET, sentence))
    return choose(
        options,
        live=live_release(live),
        target=release,
        marked_bad=marked_bad,
        known_good=known_good,
    )


# An RDS instance as it is now, for people and for the time after.

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
