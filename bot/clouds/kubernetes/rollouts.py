"""Revisions and rollouts of Deployments, StatefulSets and DaemonSets, from manifests alone.

A Deployment keeps its revisions as ReplicaSets, the other two as ControllerRevisions, whose
``data`` is a patch of the pod template (``pkg/controller/history``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

from bot.clouds.kubernetes.workloads import Manifest as Manifest_
from bot.clouds.kubernetes.workloads import (
    annotations_of,
    condition,
    labels_of,
    moment,
    name_of,
    owner_of,
    owner_uid,
)

# Revisions of a Deployment: their templates, how far a rollout is, and whether it can end well.

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


def bare_template(template: Mapping[str, Any]) -> Manifest_:
    """A pod template without what the controller adds to it in a ReplicaSet."""
    bare: Manifest_ = json.loads(json.dumps(template))
    metadata = bare.get("metadata") or {}
    (metadata.get("labels") or {}).pop(HASH_LABEL, None)
    return bare


def same_template(left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    """Whether two pod templates start the same pods."""
    return _comparable(left) == _comparable(right)


def _comparable(template: Mapping[str, Any]) -> Manifest_:
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


Manifest = dict[str, Any]
WorkloadKind = Literal["Deployment", "StatefulSet", "DaemonSet"]

REVISION_LABEL = "controller-revision-hash"
"""Label of a StatefulSet's or DaemonSet's pod: the revision that it was made from."""


def kind_of(workload: Mapping[str, Any]) -> str:
    """``Deployment``, ``StatefulSet`` or ``DaemonSet``."""
    return str(workload.get("kind") or "Deployment")


def template_in(revision: Mapping[str, Any]) -> Manifest:
    """The pod template that a ReplicaSet or ControllerRevision keeps."""
    if revision.get("kind") != "ControllerRevision":
        return dict(revision["spec"]["template"])
    template: Manifest = json.loads(json.dumps(revision["data"]["spec"]["template"]))
    template.pop("$patch", None)  # the revision is a strategic merge patch
    return template


def number_of(revision: Mapping[str, Any]) -> int:
    """The number of a revision, as ``kubectl rollout history`` shows it."""
    if revision.get("kind") == "ControllerRevision":
        return int(revision.get("revision") or 0)
    return revision_of(revision)


def mark_of(revision: Mapping[str, Any]) -> str:
    """What the pods of a revision carry: the owner's uid, or the label's value.

    The label holds the revision's name in a StatefulSet and its hash in a DaemonSet.
    """
    if revision.get("kind") != "ControllerRevision":
        return str(revision["metadata"]["uid"])
    if owner_of(revision).get("kind") == "DaemonSet":
        return labels_of(revision).get(REVISION_LABEL, "")
    return name_of(revision)


def mark_on(pod: Mapping[str, Any]) -> str:
    """The mark of the revision that a pod was made from."""
    if owner_of(pod).get("kind") == "ReplicaSet":
        return owner_uid(pod)
    return labels_of(pod).get(REVISION_LABEL, "")


def target_marks(
    revisions: Iterable[Manifest], workload: Mapping[str, Any], template: Mapping[str, object]
) -> frozenset[str]:
    """Marks of the workload's revisions with this template; normally one."""
    return frozenset(
        mark_of(one)
        for one in revisions
        if owner_uid(one) == workload["metadata"]["uid"]
        and same_template(template_in(one), template)
    )


def own_pods(
    pods: Iterable[Manifest], revisions: Iterable[Manifest], workload: Mapping[str, Any]
) -> list[Manifest]:
    """The workload's pods; its selector may find others.

    A Deployment's pod that still terminates belongs to it even when its ReplicaSet has been
    trimmed from the history already, which is told by the ReplicaSet's name.
    """
    uid = workload["metadata"]["uid"]
    if kind_of(workload) != "Deployment":
        return [pod for pod in pods if owner_uid(pod) == uid]
    owners = {str(one["metadata"]["uid"]): owner_uid(one) for one in revisions}
    prefix = f"{name_of(workload)}-"
    found = []
    for pod in pods:
        owner = owner_of(pod)
        if owner.get("kind") != "ReplicaSet":
            continue
        known = owners.get(str(owner["uid"]))
        if known == uid or (known is None and str(owner["name"]).startswith(prefix)):
            found.append(pod)
    return found


def wanted_pods(workload: Mapping[str, Any]) -> int:
    """How many pods there should be; of a DaemonSet as many as nodes that it selects."""
    if kind_of(workload) == "DaemonSet":
        return int((workload.get("status") or {}).get("desiredNumberScheduled", 0))
    return int(workload["spec"].get("replicas", 1))


def update_strategy(workload: Mapping[str, Any]) -> str:
    """``RollingUpdate``, or ``OnDelete`` where nothing follows the template by itself."""
    if kind_of(workload) == "Deployment":
        return str((workload["spec"].get("strategy") or {}).get("type") or "RollingUpdate")
    return str((workload["spec"].get("updateStrategy") or {}).get("type") or "RollingUpdate")


def partition_of(workload: Mapping[str, Any]) -> int:
    """A StatefulSet's pods below this place keep their revision; 0 for all other kinds."""
    if kind_of(workload) != "StatefulSet":
        return 0
    rolling = (workload["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    return int(rolling.get("partition") or 0)


def is_ordered(workload: Mapping[str, Any]) -> bool:
    """Whether one broken pod holds all others up (``OrderedReady``, a StatefulSet's default)."""
    policy = workload["spec"].get("podManagementPolicy", "OrderedReady")
    return kind_of(workload) == "StatefulSet" and policy == "OrderedReady"


def ordinal_of(pod: Mapping[str, Any]) -> int:
    """The number at the end of a StatefulSet's pod; -1 when there is none."""
    number = name_of(pod).rpartition("-")[2]
    return int(number) if number.isdigit() else -1


def first_ordinal_updated(workload: Mapping[str, Any]) -> int:
    """The lowest number of a StatefulSet's pods that follow its template; 0 for other kinds."""
    if kind_of(workload) != "StatefulSet":
        return 0
    start = int((workload["spec"].get("ordinals") or {}).get("start") or 0)
    return start + partition_of(workload)


def is_partitioned_off(pod: Mapping[str, Any], workload: Mapping[str, Any]) -> bool:
    """Whether a StatefulSet's partition keeps this pod at the revision that it has."""
    is_numbered = kind_of(workload) == "StatefulSet"
    return is_numbered and ordinal_of(pod) < first_ordinal_updated(workload)


def is_rolled_out(workload: Mapping[str, Any]) -> bool:
    """Whether the rollout has ended well, by the rules of ``kubectl rollout status``."""
    if kind_of(workload) == "Deployment":
        return is_complete(workload)
    status = workload.get("status") or {}
    if workload["metadata"].get("generation", 0) > status.get("observedGeneration", 0):
        return False
    wanted = wanted_pods(workload)
    if kind_of(workload) == "DaemonSet":
        updated, ready = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
        return bool(updated >= wanted and ready >= wanted)
    return bool(
        status.get("readyReplicas", 0) >= wanted
        and status.get("replicas", 0) <= wanted
        and status.get("updatedReplicas", 0) >= wanted - partition_of(workload)
    )


def progress_in(workload: Mapping[str, Any]) -> str:
    """How far the rollout is, in a clause."""
    if kind_of(workload) == "Deployment":
        return progress_of(workload)
    status = workload.get("status") or {}
    if kind_of(workload) == "DaemonSet":
        updated, ready = status.get("updatedNumberScheduled", 0), status.get("numberReady", 0)
    else:
        updated, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
    wanted = wanted_pods(workload) - partition_of(workload)
    return f"{updated} of {max(0, wanted)} pods updated, {ready} ready"
