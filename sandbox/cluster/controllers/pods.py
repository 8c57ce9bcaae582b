"""Pods made from a template, and in which order a controller gives them up."""

from datetime import datetime, timedelta

from sandbox.cluster.base.types import Manifest, clone, parse_time
from sandbox.cluster.controllers.objects import (
    annotations_of,
    available_in,
    condition_of,
    is_pod_ready,
    name_of,
    namespace_of,
    owner_reference,
    restart_count,
)

_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}
_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


def pod_from_template(owner: Manifest, template: Manifest) -> Manifest:
    """`GetPodFromTemplate`: the pod as its controller asks for it, named by the server."""
    template = clone(template)
    metadata = template.get("metadata") or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{name_of(owner)}-",
            "namespace": namespace_of(owner),
            "labels": metadata.get("labels") or {},
            "annotations": metadata.get("annotations") or {},
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": template["spec"],
    }


def deletion_order(pod: Manifest) -> tuple[float, ...]:
    """Sort key: first the pods whose loss hurts least (`controller.ActivePods`).

    Unscheduled before scheduled, pending before running, not ready before ready, lower
    pod-deletion-cost, ready for less time, more restarts, younger.
    """
    ready = condition_of(pod, "Ready")
    ready_since = parse_time(ready["lastTransitionTime"]).timestamp() if ready else 0.0
    return (
        bool(pod["spec"].get("nodeName")),
        _PHASES.get((pod.get("status") or {}).get("phase", "Pending"), 0),
        is_pod_ready(pod),
        float(annotations_of(pod).get(_DELETION_COST, "0")),
        -ready_since,
        -restart_count(pod),
        -parse_time(pod["metadata"]["creationTimestamp"]).timestamp(),
    )


def next_available(pods: list[Manifest], min_ready_seconds: int, now: datetime) -> timedelta | None:
    """How long until the next ready pod becomes available; None when none is on its way."""
    waits = (available_in(pod, min_ready_seconds, now) for pod in pods)
    return min((wait for wait in waits if wait), default=None)
