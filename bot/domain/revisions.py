"""Revisions of a Deployment: their templates, how far a rollout is, and whether it can end well."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.domain.workloads import Manifest, annotations_of, condition, moment

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
KEPT_ANNOTATIONS = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        REVISION_HISTORY,
        "deployment.kubernetes.io/desired-replicas",
        "deployment.kubernetes.io/max-replicas",
    }
)
"""What a Deployment keeps when it goes back (kubectl ``rollback.go``, ``annotationsToSkip``)."""

DOOMED_REASONS = frozenset(
    {
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)
"""Reasons for waiting that do not pass by themselves within a rollout's time."""


def doomed_reason(pod: Mapping[str, Any]) -> str:
    """Why the pod will not become ready by waiting, in a clause; empty when it still may."""
    status = pod.get("status") or {}
    for container in [
        *(status.get("initContainerStatuses") or []),
        *(status.get("containerStatuses") or []),
    ]:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in DOOMED_REASONS:
            message = str(waiting.get("message") or "").strip()
            detail = f": {message}" if message else ""
            return f"{waiting['reason']} in container {container['name']}{detail}"
    return ""


def revision_of(manifest: Mapping[str, Any]) -> int:
    """The revision number of a Deployment or ReplicaSet; 0 when the controller set none yet."""
    text = annotations_of(manifest).get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def bare_template(template: Mapping[str, Any]) -> Manifest:
    """A pod template without what the controller adds to it in a ReplicaSet."""
    bare: Manifest = json.loads(json.dumps(template))
    metadata = bare.get("metadata") or {}
    (metadata.get("labels") or {}).pop(HASH_LABEL, None)
    return bare


def same_template(left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    """Whether two pod templates start the same pods."""
    return _comparable(left) == _comparable(right)


def _comparable(template: Mapping[str, Any]) -> Manifest:
    bare = bare_template(template)
    # Older API servers write "creationTimestamp": null into every template.
    bare["metadata"] = {k: v for k, v in (bare.get("metadata") or {}).items() if v}
    return bare


def is_complete(deployment: Mapping[str, Any]) -> bool:
    """Whether the rollout has ended well, by the rule of ``kubectl rollout status``."""
    status = deployment.get("status") or {}
    wanted = deployment["spec"].get("replicas", 1)
    updated = status.get("updatedReplicas", 0)
    return bool(
        deployment["metadata"].get("generation", 0) <= status.get("observedGeneration", 0)
        and updated >= wanted
        and status.get("replicas", 0) <= updated
        and status.get("availableReplicas", 0) >= updated
    )


def progress_of(deployment: Mapping[str, Any]) -> str:
    """How far the rollout is, in a clause."""
    status = deployment.get("status") or {}
    wanted = deployment["spec"].get("replicas", 1)
    updated = status.get("updatedReplicas", 0)
    old = max(0, status.get("replicas", 0) - updated)
    return (
        f"{updated} of {wanted} pods updated, "
        f"{status.get('availableReplicas', 0)} available, {old} old"
    )


def deadline_exceeded_at(deployment: Mapping[str, Any]) -> datetime | None:
    """When the controller last said that the rollout took too long; None when it does not.

    The controller keeps such a condition from an earlier rollout: compare the moment with that
    of the change in question.
    """
    found = condition(deployment, "Progressing")
    if found.get("reason") != "ProgressDeadlineExceeded":
        return None
    return moment(found.get("lastUpdateTime"))
