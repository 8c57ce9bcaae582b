"""A StatefulSet's status, after `updateStatus` and `completeRollingUpdate`."""

from datetime import datetime

from sandbox.cluster.base.types import Manifest
from sandbox.cluster.controllers.controller_revisions import revision_label
from sandbox.cluster.controllers.objects import (
    desired_replicas,
    generation_of,
    is_pod_available,
    is_pod_ready,
    is_terminating,
    name_of,
)


def statefulset_status(
    owner: Manifest, current: Manifest, update: Manifest, pods: list[Manifest], now: datetime
) -> Manifest:
    """Counts by revision; a finished update becomes the current revision."""
    min_ready = int(owner["spec"].get("minReadySeconds", 0))
    running = [p for p in pods if (p.get("status") or {}).get("phase") == "Running"]
    staying = [p for p in pods if not is_terminating(p)]

    def of(revision: Manifest) -> int:
        return sum(revision_label(p) == name_of(revision) for p in staying)

    status = {
        "observedGeneration": generation_of(owner),
        "replicas": len(pods),
        "readyReplicas": sum(is_pod_ready(p) for p in running),
        "availableReplicas": sum(is_pod_available(p, min_ready, now) for p in running),
        "currentReplicas": of(current),
        "updatedReplicas": of(update),
        "currentRevision": name_of(current),
        "updateRevision": name_of(update),
        "collisionCount": 0,
    }
    if _update_is_complete(owner, status):
        status["currentReplicas"] = status["updatedReplicas"]
        status["currentRevision"] = status["updateRevision"]
    # `availableReplicas` is the one count that is always written.
    kept = {"replicas", "availableReplicas", "collisionCount"}
    return {key: value for key, value in status.items() if value != 0 or key in kept}


def _update_is_complete(owner: Manifest, status: Manifest) -> bool:
    strategy = owner["spec"].get("updateStrategy") or {}
    return bool(
        strategy.get("type", "RollingUpdate") == "RollingUpdate"
        and status["updatedReplicas"] == status["replicas"] == desired_replicas(owner)
        and status["readyReplicas"] == status["replicas"]
    )
