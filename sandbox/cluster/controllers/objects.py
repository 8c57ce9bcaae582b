"""Reading Kubernetes objects as plain JSON: labels, owners, conditions, time, pod state.

Everything here is pure. Rules that come from upstream name the Go function they follow.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sandbox.cluster.base.types import Manifest, parse_time

MAX_INT32 = 2**31 - 1
HASH_LABEL = "pod-template-hash"
CONTROLLER_REVISION_LABEL = "controller-revision-hash"


def namespace_of(obj: Manifest) -> str:
    return str(obj["metadata"].get("namespace", ""))


def name_of(obj: Manifest) -> str:
    return str(obj["metadata"]["name"])


def uid_of(obj: Manifest) -> str:
    return str(obj["metadata"]["uid"])


def labels_of(obj: Manifest) -> dict[str, str]:
    return obj.get("metadata", {}).get("labels") or {}


def annotations_of(obj: Manifest) -> dict[str, str]:
    return obj.get("metadata", {}).get("annotations") or {}


def is_terminating(obj: Manifest) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))


def generation_of(obj: Manifest) -> int:
    return int(obj["metadata"].get("generation", 0))


def status_count(obj: Manifest, field: str) -> int:
    """An integer of the status; a missing one counts as 0, as in Go."""
    return int((obj.get("status") or {}).get(field) or 0)


def desired_replicas(obj: Manifest) -> int:
    """`spec.replicas`, which the API defaults to 1."""
    replicas = obj["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def created_before(obj: Manifest) -> tuple[str, str]:
    """Sort key: oldest first, then by name (`ReplicaSetsByCreationTimestamp`)."""
    return str(obj["metadata"].get("creationTimestamp", "")), name_of(obj)


def controller_of(obj: Manifest) -> Manifest | None:
    """The owner reference with `controller: true` (`metav1.GetControllerOf`)."""
    references: list[Manifest] = obj["metadata"].get("ownerReferences") or []
    return next((r for r in references if r.get("controller")), None)


def is_controlled_by(obj: Manifest, owner: Manifest) -> bool:
    reference = controller_of(obj)
    return reference is not None and reference.get("uid") == uid_of(owner)


def owner_reference(owner: Manifest) -> Manifest:
    """`metav1.NewControllerRef`."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def condition_of(obj: Manifest, kind: str) -> Manifest | None:
    conditions: list[Manifest] = (obj.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == kind), None)


def is_pod_ready(pod: Manifest) -> bool:
    condition = condition_of(pod, "Ready")
    return condition is not None and condition["status"] == "True"


def available_in(pod: Manifest, min_ready_seconds: int, now: datetime) -> timedelta | None:
    """How long until a ready pod counts as available; None while it is not ready.

    `podutil.IsPodAvailable`: ready without interruption for `minReadySeconds`.
    """
    condition = condition_of(pod, "Ready")
    if condition is None or condition["status"] != "True":
        return None
    if min_ready_seconds == 0:
        return timedelta(0)
    due = parse_time(condition["lastTransitionTime"]) + timedelta(seconds=min_ready_seconds)
    return max(due - now, timedelta(0))


def is_pod_available(pod: Manifest, min_ready_seconds: int, now: datetime) -> bool:
    return available_in(pod, min_ready_seconds, now) == timedelta(0)


def is_pod_active(pod: Manifest) -> bool:
    """`controller.IsPodActive`: neither finished nor being deleted."""
    phase = (pod.get("status") or {}).get("phase")
    return phase not in {"Succeeded", "Failed"} and not is_terminating(pod)


def restart_count(pod: Manifest) -> int:
    statuses: Iterable[Manifest] = (pod.get("status") or {}).get("containerStatuses") or []
    return max((int(s.get("restartCount", 0)) for s in statuses), default=0)


def without_empty(value: Any) -> Any:
    """The value without nulls, empty maps and empty lists, which Go's semantic equality ignores."""
    if isinstance(value, dict):
        pruned = {k: without_empty(v) for k, v in value.items()}
        return {k: v for k, v in pruned.items() if v not in (None, {}, [])}
    if isinstance(value, list):
        return [without_empty(v) for v in value]
    return value


def same_template(one: Manifest, other: Manifest) -> bool:
    """`EqualIgnoreHash`: pod templates are equal but for the pod-template-hash label."""
    return bool(comparable_template(one) == comparable_template(other))


def comparable_template(template: Manifest) -> Any:
    pruned = without_empty(template)
    labels = {k: v for k, v in labels_of(template).items() if k != HASH_LABEL}
    metadata = {**(pruned.get("metadata") or {}), "labels": labels}
    return without_empty({**pruned, "metadata": metadata})
