"""What the steps of a rolling rollback have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bot.domain.ownership import last_writer
from bot.domain.values import Facts, Value
from bot.domain.workloads import (
    KEPT_ANNOTATIONS,
    annotations_of,
    name_of,
    owner_of,
    owner_uid,
    same_template,
)
from bot.errors import WorldMovedError
from bot.ports.cluster import DEPLOYMENTS, Manifest
from bot.ports.world import World


class RolloutParams(Value):
    """A Deployment and the pod template that it should have."""

    namespace: str
    deployment: str
    template: Facts
    release: str


async def read(params: RolloutParams, world: World) -> Manifest:
    """The Deployment; raises NotFoundError."""
    return await world.cluster.get(DEPLOYMENTS, params.namespace, params.deployment)


def moved(params: RolloutParams, deployment: Manifest) -> WorldMovedError:
    """Somebody else changed the pod template."""
    return WorldMovedError(
        f"The pod template of Deployment {params.deployment} was changed by "
        f"{last_writer(deployment, 'spec', 'template')}.",
        "Plan again.",
    )


def has_template(deployment: Manifest, template: Mapping[str, object]) -> bool:
    """Whether the Deployment has this template now."""
    return same_template(deployment["spec"]["template"], template)


def target_uids(
    replica_sets: Iterable[Manifest], deployment: Manifest, template: Mapping[str, object]
) -> frozenset[str]:
    """Uids of the Deployment's ReplicaSets with this template; normally one."""
    return frozenset(
        str(replica_set["metadata"]["uid"])
        for replica_set in replica_sets
        if owner_uid(replica_set) == deployment["metadata"]["uid"]
        and same_template(replica_set["spec"]["template"], template)
    )


def own_pods(
    pods: Iterable[Manifest], replica_sets: Iterable[Manifest], deployment: Manifest
) -> list[Manifest]:
    """The Deployment's pods; its selector may find others.

    A pod that still terminates belongs to it even when its ReplicaSet has been trimmed from the
    history already, which is told by the ReplicaSet's name.
    """
    owners = {str(one["metadata"]["uid"]): owner_uid(one) for one in replica_sets}
    uid = deployment["metadata"]["uid"]
    prefix = f"{name_of(deployment)}-"
    found = []
    for pod in pods:
        owner = owner_of(pod)
        if owner.get("kind") != "ReplicaSet":
            continue
        known = owners.get(str(owner["uid"]))
        if known == uid or (known is None and str(owner["name"]).startswith(prefix)):
            found.append(pod)
    return found


def restored_annotations(
    deployment: Manifest, from_replica_set: Mapping[str, str]
) -> dict[str, str]:
    """The Deployment's annotations after going back, as kubectl computes them.

    The Deployment keeps its bookkeeping; the rest, the change-cause included, comes from the
    ReplicaSet.
    """
    kept = {k: v for k, v in annotations_of(deployment).items() if k in KEPT_ANNOTATIONS}
    return {**kept, **from_replica_set}


def portable_annotations(manifest: Manifest) -> dict[str, str]:
    """Those annotations that go back and forth with a revision."""
    return {k: v for k, v in annotations_of(manifest).items() if k not in KEPT_ANNOTATIONS}
