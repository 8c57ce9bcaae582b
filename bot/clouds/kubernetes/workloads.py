"""Reading workloads and pods: pure functions over plain manifests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

from bot.core.values import Value

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


# The ConfigMaps and Secrets that a pod cannot start without.


class Reference(Value):
    """A ConfigMap or Secret that a pod template names as required."""

    kind: Literal["ConfigMap", "Secret"]
    name: str


def required_references(template: Mapping[str, Any]) -> tuple[Reference, ...]:
    """What the template's volumes and containers need, each once; optional ones are left out.

    Image pull secrets are left out too: a pod starts without them where the image is public.
    """
    spec = template.get("spec") or {}
    found = [*_of_volumes(spec), *_of_environment(spec)]
    return tuple(sorted(set(found), key=lambda reference: (reference.kind, reference.name)))


def _of_volumes(spec: Mapping[str, Any]) -> Iterator[Reference]:
    for volume in spec.get("volumes") or []:
        projected = (volume.get("projected") or {}).get("sources") or []
        for source in (volume, *projected):
            yield from _of_source(source.get("configMap"), "ConfigMap", "name")
            # A Secret volume calls it secretName, a projected source calls it name.
            yield from _of_source(source.get("secret"), "Secret", "secretName", "name")


def _of_environment(spec: Mapping[str, Any]) -> Iterator[Reference]:
    for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        for source in container.get("envFrom") or []:
            yield from _of_source(source.get("configMapRef"), "ConfigMap", "name")
            yield from _of_source(source.get("secretRef"), "Secret", "name")
        for variable in container.get("env") or []:
            origin = variable.get("valueFrom") or {}
            yield from _of_source(origin.get("configMapKeyRef"), "ConfigMap", "name")
            yield from _of_source(origin.get("secretKeyRef"), "Secret", "name")


def _of_source(
    source: Mapping[str, Any] | None, kind: Literal["ConfigMap", "Secret"], *keys: str
) -> Iterator[Reference]:
    if not source or source.get("optional"):
        return
    name = next((source[key] for key in keys if source.get(key)), "")
    if name:
        yield Reference(kind=kind, name=name)


# Releases as people name them, and where a workload or an answer tells one.


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
