"""Reading Deployments, ReplicaSets and pods: pure functions over plain manifests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

Manifest = dict[str, Any]

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


def name_of(manifest: Mapping[str, Any]) -> str:
    """The object's name."""
    return str(manifest["metadata"]["name"])


def labels_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """The labels of an object or of a pod template."""
    return (manifest.get("metadata") or {}).get("labels") or {}


def annotations_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """The annotations of an object or of a pod template."""
    return (manifest.get("metadata") or {}).get("annotations") or {}


def selector_text(labels: Mapping[str, str]) -> str:
    """Equality requirements in the syntax of a label selector."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def selector_of(workload: Mapping[str, Any]) -> str:
    """``spec.selector`` of a Deployment or ReplicaSet in the syntax of a label selector."""
    selector = workload["spec"]["selector"]
    parts = [selector_text(selector.get("matchLabels") or {})]
    for rule in selector.get("matchExpressions") or []:
        values = ",".join(rule.get("values") or [])
        parts.append(
            {
                "In": f"{rule['key']} in ({values})",
                "NotIn": f"{rule['key']} notin ({values})",
                "Exists": rule["key"],
                "DoesNotExist": f"!{rule['key']}",
            }[rule["operator"]]
        )
    return ",".join(part for part in parts if part)


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector object (``matchLabels``, ``matchExpressions``) selects the labels."""
    if selector is None:
        return False
    if not matches(labels, selector.get("matchLabels") or {}):
        return False
    return all(_holds(rule, labels) for rule in selector.get("matchExpressions") or [])


def _holds(rule: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    found = labels.get(rule["key"])
    match rule["operator"]:
        case "In":
            return found in rule["values"]
        case "NotIn":
            return found not in rule["values"]
        case "Exists":
            return found is not None
        case _:
            return found is None


def matches(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether the labels hold every wanted pair."""
    return all(labels.get(key) == value for key, value in wanted.items())


def image_tag(image: str) -> str:
    """The version in an image reference: its tag, else the short digest, else ``latest``."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return tag or digest[:19] or "latest"


def release_of(pod_or_template: Mapping[str, Any], version_label: str) -> str:
    """The release as people name it: the version label, else the first container's image tag."""
    label = labels_of(pod_or_template).get(version_label)
    if label:
        return label
    containers = (pod_or_template.get("spec") or {}).get("containers") or [{}]
    return image_tag(str(containers[0].get("image") or ""))


def reports_release(text: str, release: str) -> bool:
    """Whether the answer of a version endpoint names exactly this release.

    A JSON object is read by its ``version``, ``release`` or ``tag``; any other text must name
    the release as a word. ``v2.0.0`` and ``2.0.0`` are the same release.
    """
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict):
        stated = [str(parsed[key]) for key in ("version", "release", "tag") if key in parsed]
    elif isinstance(parsed, str):
        stated = [parsed]
    else:
        stated = text.replace(",", " ").replace('"', " ").split()
    return _plain(release) in {_plain(word) for word in stated}


def same_release(one: str, other: str) -> bool:
    """Whether two names mean the same release: ``v2.0.0`` and ``2.0.0`` do."""
    return _plain(one) == _plain(other)


def _plain(release: str) -> str:
    text = release.strip()
    return text[1:] if text[:1] == "v" and text[1:2].isdigit() else text


def is_terminating(manifest: Mapping[str, Any]) -> bool:
    """Whether the object is being deleted."""
    return bool(manifest["metadata"].get("deletionTimestamp"))


def is_finished(pod: Mapping[str, Any]) -> bool:
    """Whether the pod has ended for good."""
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}


def condition(manifest: Mapping[str, Any], kind: str) -> Manifest:
    """The status condition of this type; empty when there is none."""
    for found in (manifest.get("status") or {}).get("conditions") or []:
        if found.get("type") == kind:
            return dict(found)
    return {}


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Ready and not on its way out."""
    return condition(pod, "Ready").get("status") == "True" and not is_terminating(pod)


def ready_names(pods: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Names of the ready pods."""
    return frozenset(name_of(pod) for pod in pods if is_ready(pod))


def owner_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The reference to the controlling owner; empty without one."""
    for reference in manifest["metadata"].get("ownerReferences") or []:
        if reference.get("controller"):
            return dict(reference)
    return {}


def owner_uid(manifest: Mapping[str, Any]) -> str:
    """The uid of the controlling owner; empty without one."""
    return str(owner_of(manifest).get("uid") or "")


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


def moment(text: object) -> datetime | None:
    """An RFC 3339 time of the API; None when it is missing or not one."""
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")) if text else None
    except ValueError:
        return None
