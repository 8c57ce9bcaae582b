"""The revisions of a Deployment, as its ReplicaSets keep them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from bot.domain.ownership import last_write
from bot.domain.workloads import (
    REVISION_HISTORY,
    annotations_of,
    moment,
    owner_uid,
    revision_of,
    same_template,
    selector_of,
)
from bot.ports.cluster import REPLICA_SETS, Manifest
from bot.ports.world import World


async def revisions(world: World, namespace: str, deployment: Manifest) -> tuple[Manifest, ...]:
    """The ReplicaSets that the Deployment owns, the newest revision first."""
    found = await world.cluster.list(REPLICA_SETS, namespace, labels=selector_of(deployment))
    owned = [one for one in found if owner_uid(one) == deployment["metadata"]["uid"]]
    return tuple(sorted(owned, key=revision_of, reverse=True))


def current(deployment: Manifest, replica_sets: Iterable[Manifest]) -> Manifest | None:
    """The newest ReplicaSet with the live template; None before the controller made it."""
    template = deployment["spec"]["template"]
    return next(
        (one for one in replica_sets if same_template(one["spec"]["template"], template)), None
    )


def others(deployment: Manifest, replica_sets: Sequence[Manifest]) -> tuple[Manifest, ...]:
    """Revisions with another template than the live one, each template once."""
    kept: list[Manifest] = []
    for one in replica_sets:
        templates = [deployment["spec"]["template"], *(k["spec"]["template"] for k in kept)]
        if not any(same_template(one["spec"]["template"], known) for known in templates):
            kept.append(one)
    return tuple(kept)


def live_since(deployment: Manifest, replica_set: Manifest | None) -> datetime | None:
    """When the live template was put in place; None when the metadata do not tell.

    A ReplicaSet's creation tells it, but not for one that is used again after a rollback.
    """
    if replica_set is not None and REVISION_HISTORY not in annotations_of(replica_set):
        return moment(replica_set["metadata"].get("creationTimestamp"))
    write = last_write(deployment, "spec", "template")
    return write.at if write else None
