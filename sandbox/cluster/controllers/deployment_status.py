"""A Deployment's status: counts, and whether the rollout progresses, is complete or timed out.

Follows `pkg/controller/deployment/progress.go` and `calculateStatus`.
"""

from datetime import datetime, timedelta
from typing import Any

from sandbox.cluster.base.types import Manifest, parse_time
from sandbox.cluster.controllers.conditions import condition, find, with_condition, without
from sandbox.cluster.controllers.deployment_replicasets import Rollout
from sandbox.cluster.controllers.objects import (
    condition_of,
    desired_replicas,
    generation_of,
    name_of,
)
from sandbox.cluster.controllers.rollout_math import (
    deadline_seconds,
    max_unavailable,
    total_desired,
    total_status,
)

Status = dict[str, Any]

COMPLETE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED, RESUMED = "DeploymentPaused", "DeploymentResumed"


def plain_status(rollout: Rollout, now: datetime) -> Status:
    """`calculateStatus`: counts and the Available condition; other conditions stay."""
    deployment, everything = rollout.deployment, rollout.everything
    new = [rollout.new] if rollout.new else []
    available = total_status(everything, "availableReplicas")
    before: Status = deployment.get("status") or {}
    enough = available >= desired_replicas(deployment) - max_unavailable(deployment)
    conditions = with_condition(list(before.get("conditions") or []), _availability(enough, now))
    conditions = without(conditions, "ReplicaFailure")
    if failure := _replica_failure(rollout):
        conditions = [*conditions, failure]
    status: Status = {
        "observedGeneration": generation_of(deployment),
        "replicas": total_status(everything, "replicas"),
        "updatedReplicas": total_status(new, "replicas"),
        "readyReplicas": total_status(everything, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, total_desired(everything) - available),
        "conditions": conditions,
    }
    # Go's `omitempty`: a count of zero is absent on the wire.
    status = {key: value for key, value in status.items() if value != 0}
    if collisions := before.get("collisionCount"):
        status["collisionCount"] = collisions
    return status


def _availability(enough: bool, now: datetime) -> Manifest:
    if enough:
        return condition(
            "Available",
            status="True",
            reason="MinimumReplicasAvailable",
            message="Deployment has minimum availability.",
            now=now,
        )
    return condition(
        "Available",
        status="False",
        reason="MinimumReplicasUnavailable",
        message="Deployment does not have minimum availability.",
        now=now,
    )


def _replica_failure(rollout: Rollout) -> Manifest | None:
    """`getReplicaFailures`: why a ReplicaSet cannot create pods; the new one's reason first."""
    new = [rollout.new] if rollout.new else []
    for replicaset in [*new, *rollout.old]:
        failure = condition_of(replicaset, "ReplicaFailure")
        if failure is not None:
            return {**failure, "lastUpdateTime": failure["lastTransitionTime"]}
    return None


def is_complete(deployment: Manifest, status: Status) -> bool:
    """`DeploymentComplete`."""
    wanted = desired_replicas(deployment)
    counts = ("updatedReplicas", "replicas", "availableReplicas")
    return all(status.get(c, 0) == wanted for c in counts) and (
        status.get("observedGeneration", 0) >= generation_of(deployment)
    )


def has_progressed(before: Status, after: Status) -> bool:
    """`DeploymentProgressing`: more new, ready or available pods, or fewer old ones."""

    def old(status: Status) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    grown = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return old(after) < old(before) or any(after.get(c, 0) > before.get(c, 0) for c in grown)


def time_left(deployment: Manifest, status: Status, now: datetime) -> timedelta | None:
    """Time until the progress deadline; None when none is running. Not positive: it has passed."""
    deadline = deadline_seconds(deployment)
    current = find(status.get("conditions") or [], "Progressing")
    if deadline is None or current is None or current["reason"] in {COMPLETE, TIMED_OUT}:
        return None
    return parse_time(current["lastUpdateTime"]) + timedelta(seconds=deadline) - now


def rollout_status(rollout: Rollout, now: datetime) -> Status:
    """`syncRolloutStatus`: the counts, and the Progressing condition of a rollout under way.

    A timed-out condition is left in place until there is progress: right after an undo
    it still tells of the release that was undone.
    """
    deployment = rollout.deployment
    before: Status = deployment.get("status") or {}
    status = plain_status(rollout, now)
    current = find(before.get("conditions") or [], "Progressing")
    if deadline_seconds(deployment) is None:
        status["conditions"] = without(status["conditions"], "Progressing")
        return status
    settled = (
        status.get("replicas", 0) == status.get("updatedReplicas", 0)
        and current is not None
        and current["reason"] == COMPLETE
    )
    if not settled:
        status["conditions"] = _progressing(rollout, before, status, now)
    return status


def _progressing(rollout: Rollout, before: Status, status: Status, now: datetime) -> list[Manifest]:
    deployment = rollout.deployment
    conditions: list[Manifest] = status["conditions"]
    subject = (
        f'ReplicaSet "{name_of(rollout.new)}"'
        if rollout.new
        else f'Deployment "{name_of(deployment)}"'
    )

    def progressing(value: str, reason: str, verb: str) -> Manifest:
        message = f"{subject} {verb}"
        return condition("Progressing", status=value, reason=reason, message=message, now=now)

    if is_complete(deployment, status):
        return with_condition(
            conditions, progressing("True", COMPLETE, "has successfully progressed.")
        )
    if has_progressed(before, status):
        # Unlike elsewhere the update time moves although status and reason may be the same:
        # the deadline counts from here.
        new = progressing("True", "ReplicaSetUpdated", "is progressing.")
        current = find(conditions, "Progressing")
        if current is not None and current["status"] == "True":
            new["lastTransitionTime"] = current["lastTransitionTime"]
        return [*without(conditions, "Progressing"), new]
    left = time_left(deployment, status, now)
    if left is not None and left < timedelta(0):
        return with_condition(
            conditions, progressing("False", TIMED_OUT, "has timed out progressing.")
        )
    return conditions


def pause_condition(deployment: Manifest, now: datetime) -> Manifest | None:
    """`checkPausedConditions`: the condition that pausing or resuming asks for, if any."""
    conditions = (deployment.get("status") or {}).get("conditions") or []
    current = find(conditions, "Progressing")
    reason = current["reason"] if current else None
    if deadline_seconds(deployment) is None or reason == TIMED_OUT:
        return None
    paused = bool(deployment["spec"].get("paused"))
    if paused == (reason == PAUSED):
        return None
    return condition(
        "Progressing",
        status="Unknown",
        reason=PAUSED if paused else RESUMED,
        message=f"Deployment is {'paused' if paused else 'resumed'}",
        now=now,
    )
