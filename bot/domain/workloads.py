"""Reading workloads and pods: pure functions over plain manifests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

Manifest = dict[str, Any]


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


def moment(text: object) -> datetime | None:
    """An RFC 3339 time of the API; None when it is missing or not one."""
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")) if text else None
    except ValueError:
        return None
