"""The plan that restores an RDS instance: the last resort, as every restore."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.config.targets.rds import RdsTarget
from bot.domain.plan import Candidate, Plan, Preflight
from bot.errors import NotFoundError, RefusedError
from bot.ports.world import Observation, World
from strategies.planning.database.writer_steps import downtime
from strategies.planning.rds.checks import preflights
from strategies.planning.rds.choosing import choose_point, offered
from strategies.planning.rds.instances import (
    Description,
    Instances,
    list_instances,
    status_of,
)
from strategies.planning.rds.points import read_points, shown
from strategies.planning.rds.restore import RdsChange, live_release
from strategies.planning.rds.steps import rds_steps
from strategies.planning.rds.swap_steps import RENAME_SECONDS
from strategies.preflights.verdicts import passed
from strategies.preflights.writers import record_writers
from strategies.targets import NAME as TARGET
from strategies.targets import Choice, Option, choose, rated


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
