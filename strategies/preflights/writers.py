"""The Deployments that write to a database: found, counted, and what would scale them again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bot.config.targets.postgres import Writer
from bot.domain.plan import Preflight
from bot.domain.values import Value
from bot.domain.workloads import selector_of
from bot.ports.cluster import DEPLOYMENTS, PODS
from bot.ports.world import World
from strategies.kubernetes.scaler_steps import pausing
from strategies.kubernetes.scalers import SCALED_OBJECTS, Scalers, check_scalers, find_scalers
from strategies.preflights.dry_run import check_writes, scaling
from strategies.preflights.gitops import NAME as GITOPS
from strategies.preflights.gitops import STARTED, check_gitops
from strategies.preflights.rights import check_rights, to_change, to_follow
from strategies.preflights.verdicts import or_unknown, passed, warned

NAME = "Writers"
RIGHTS = (*to_change(DEPLOYMENTS), *to_follow(PODS))


class RecordedWriter(Value):
    """A writer as it was when the plan was made."""

    namespace: str
    deployment: str
    selector: str
    replicas: int
    restored: int
    """Replicas to start with again: an autoscaler's minimum counts, it never starts from 0."""
    scalers: Scalers

    @property
    def autoscaled(self) -> bool:
        """Whether anything beside people changes the number of its pods."""
        return self.scalers.owner is not None


async def record_writers(world: World, writers: Sequence[Writer]) -> tuple[RecordedWriter, ...]:
    """Raises NotFoundError for one that does not exist."""
    return tuple(await asyncio.gather(*(_record(world, writer) for writer in writers)))


async def _record(world: World, writer: Writer) -> RecordedWriter:
    deployment = await world.cluster.get(DEPLOYMENTS, writer.namespace, writer.deployment)
    replicas = int(deployment["spec"].get("replicas", 1))
    scalers = await find_scalers(world.cluster, writer.namespace, writer.deployment)
    return RecordedWriter(
        namespace=writer.namespace,
        deployment=writer.deployment,
        selector=selector_of(deployment),
        replicas=replicas,
        restored=max(replicas, scalers.minimum) if replicas else 0,
        scalers=scalers,
    )


async def check_writers(
    world: World, writers: Sequence[RecordedWriter], *, connected: Sequence[str] | None
) -> tuple[Preflight, ...]:
    """Whether they can be stopped; without any, who is connected and will not be stopped.

    ``connected`` is None where nobody can tell.
    """
    if not writers:
        who = "Nobody is connected" if connected is not None else "Who is connected is not known"
        if connected:
            who = f"Connected now: {', '.join(connected[:5])}"
        return (
            warned(
                NAME,
                f"The catalog names no writers, so the bot stops nobody. {who}. Stop the "
                "application first.",
            ),
        )
    found: list[Preflight] = []
    for writer in writers:
        found += await _check(world, writer)
    return tuple(found)


async def _check(world: World, writer: RecordedWriter) -> list[Preflight]:
    name, namespace = writer.deployment, writer.namespace
    if writer.replicas == 0:
        return [passed(NAME, f"Deployment {name} stands at 0 replicas already and stays there.")]
    cluster = world.cluster
    deployment = await cluster.get(DEPLOYMENTS, namespace, name)
    keda = to_change(SCALED_OBJECTS) if writer.scalers.scaled_object else ()
    writes = (
        *scaling(DEPLOYMENTS, namespace, name, 0, writer.restored),
        *await pausing(cluster, namespace, writer.scalers),
    )
    return [
        passed(
            NAME,
            f"Deployment {name} is stopped meanwhile and then started with {writer.restored} "
            "replicas.",
        ),
        check_scalers(writer.scalers, name, restored=writer.restored),
        await check_rights(cluster, namespace, (*RIGHTS, *keda)),
        await or_unknown(
            GITOPS, check_gitops(cluster, deployment, f"Deployment {name}", harm=STARTED)
        ),
        await check_writes(cluster, writes),
    ]
