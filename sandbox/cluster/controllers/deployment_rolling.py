"""One step of a Deployment's rollout, after `rolling.go` and `recreate.go`."""

from sandbox.cluster.controllers.deployment_replicasets import ReplicaSetWriter, Rollout
from sandbox.cluster.controllers.objects import desired_replicas, status_count
from sandbox.cluster.controllers.rollout_math import (
    active,
    max_unavailable,
    new_replicaset_size,
    total_desired,
)


def roll(writer: ReplicaSetWriter, rollout: Rollout) -> None:
    """RollingUpdate: grow the new ReplicaSet if there is room, else shrink old ones."""
    writer.sync_new(rollout, create=True)
    if not _grow_new(writer, rollout):
        _shrink_old(writer, rollout)


def recreate(writer: ReplicaSetWriter, rollout: Rollout, *, old_pods_run: bool) -> None:
    """Recreate: all old pods go before the first new one comes."""
    if writer.scale_all(rollout, active(rollout.old), 0) or old_pods_run:
        return
    writer.sync_new(rollout, create=True)
    if rollout.new is not None:
        writer.scale(rollout, rollout.new, desired_replicas(rollout.deployment))


def _grow_new(writer: ReplicaSetWriter, rollout: Rollout) -> bool:
    new, wanted = rollout.new, desired_replicas(rollout.deployment)
    if new is None or desired_replicas(new) == wanted:
        return False
    if desired_replicas(new) > wanted:
        return writer.scale(rollout, new, wanted)
    size = new_replicaset_size(rollout.deployment, rollout.everything, new)
    return writer.scale(rollout, new, size)


def _shrink_old(writer: ReplicaSetWriter, rollout: Rollout) -> None:
    """`reconcileOldReplicaSets`: what may go without falling under the minimum.

    Pods of the new ReplicaSet that are not available count as missing, so that a broken
    release never takes old pods down with it.
    """
    deployment, new = rollout.deployment, rollout.new
    if new is None or not active(rollout.old):
        return
    minimum = desired_replicas(deployment) - max_unavailable(deployment)
    unavailable_new = desired_replicas(new) - status_count(new, "availableReplicas")
    spare = total_desired(rollout.everything) - minimum - unavailable_new
    if spare <= 0:
        return
    _remove_unhealthy(writer, rollout, spare)
    _remove_healthy(writer, rollout, minimum)


def _remove_unhealthy(writer: ReplicaSetWriter, rollout: Rollout, spare: int) -> None:
    """`cleanupUnhealthyReplicas`: pods that serve nobody go first, oldest ReplicaSet first."""
    for replicaset in active(rollout.old):
        size = desired_replicas(replicaset)
        surplus = min(spare, size - status_count(replicaset, "availableReplicas"))
        if surplus > 0:
            writer.scale(rollout, replicaset, size - surplus)
            spare -= surplus


def _remove_healthy(writer: ReplicaSetWriter, rollout: Rollout, minimum: int) -> None:
    """`scaleDownOldReplicaSetsForRollingUpdate`.

    A ReplicaSet that was just scaled down still reports its former pods as available: what is
    beyond its size is on its way out and does not count.
    """
    available = sum(
        min(status_count(rs, "availableReplicas"), desired_replicas(rs))
        for rs in rollout.everything
    )
    spare = available - minimum
    for replicaset in active(rollout.old):
        size = desired_replicas(replicaset)
        surplus = min(spare, size)
        if surplus > 0:
            writer.scale(rollout, replicaset, size - surplus)
            spare -= surplus
