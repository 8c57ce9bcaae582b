"""Rules that an object must keep, by kind; one cause for each that it breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from sandbox.cluster.base.errors import Cause, invalid
from sandbox.cluster.base.names import label_causes, name_causes
from sandbox.cluster.base.resources import ResourceType
from sandbox.cluster.base.selectors import matches_label_selector
from sandbox.cluster.base.types import Manifest
from sandbox.cluster.base.validation_pods import pod_spec_causes, pod_update_causes

Causes: TypeAlias = Iterator[Cause]
_IMMUTABLE = "field is immutable"
_STATEFUL_MUTABLE = {
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
}


def validate(resource: ResourceType, new: Manifest, old: Manifest | None) -> None:
    """Raises ApiError 422 with every rule the object breaks; `old` is None for a new object."""
    causes = list(name_causes(resource.kind, new["metadata"]))
    causes += label_causes(new["metadata"].get("labels"), "metadata.labels")
    if not resource.custom:
        if resource.kind in _RULES:
            causes += _RULES[resource.kind](new)
        if old is not None and resource.kind in _UPDATE_RULES:
            causes += _UPDATE_RULES[resource.kind](new, old)
    if causes:
        raise invalid(resource.gvr.group, resource.kind, new["metadata"].get("name", ""), causes)


def _not_negative(spec: Manifest, field: str) -> Causes:
    value = spec.get(field, 0)
    if not isinstance(value, int) or value < 0:
        yield Cause.invalid(f"spec.{field}", value, "must be greater than or equal to 0")


def _workload(obj: Manifest) -> Causes:
    spec = obj["spec"]
    yield from _not_negative(spec, "replicas")
    yield from _not_negative(spec, "minReadySeconds")
    yield from _not_negative(spec, "revisionHistoryLimit")
    selector, template = spec.get("selector"), spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    if not selector:
        yield Cause.required("spec.selector")
    elif not matches_label_selector(selector, labels):
        detail = "`selector` does not match template `labels`"
        yield Cause.invalid("spec.template.metadata.labels", labels, detail)
    yield from label_causes(labels, "spec.template.labels")
    pod = template.get("spec") or {}
    yield from pod_spec_causes(pod, "spec.template.spec")
    if pod.get("restartPolicy") in {"Never", "OnFailure"}:
        field = "spec.template.spec.restartPolicy"
        yield Cause.not_supported(field, pod["restartPolicy"], ["Always"])


def _deployment(obj: Manifest) -> Causes:
    yield from _workload(obj)
    spec = obj["spec"]
    strategy = spec["strategy"]
    limits = strategy.get("rollingUpdate")
    at = "spec.strategy.rollingUpdate"
    if strategy["type"] not in {"Recreate", "RollingUpdate"}:
        allowed = ["Recreate", "RollingUpdate"]
        yield Cause.not_supported("spec.strategy.type", strategy["type"], allowed)
    elif strategy["type"] == "Recreate" and limits:
        yield Cause.forbidden(at, "may not be specified when strategy `type` is 'Recreate'")
    elif limits and _is_zero(limits["maxUnavailable"]) and _is_zero(limits["maxSurge"]):
        detail = "may not be 0 when `maxSurge` is 0"
        yield Cause.invalid(f"{at}.maxUnavailable", limits["maxUnavailable"], detail)
    deadline = spec["progressDeadlineSeconds"]
    if isinstance(deadline, int) and deadline <= spec.get("minReadySeconds", 0):
        detail = "must be greater than minReadySeconds"
        yield Cause.invalid("spec.progressDeadlineSeconds", deadline, detail)


def _is_zero(value: Any) -> bool:
    return value in (0, "0%")


def _pod(obj: Manifest) -> Causes:
    yield from pod_spec_causes(obj["spec"], "spec")


def _service(obj: Manifest) -> Causes:
    spec = obj["spec"]
    ports = spec.get("ports") or []
    if not ports and spec["type"] != "ExternalName" and spec.get("clusterIP") != "None":
        yield Cause.required("spec.ports")
    yield from label_causes(spec.get("selector"), "spec.selector")
    names: set[str] = set()
    for number, port in enumerate(ports):
        at = f"spec.ports[{number}]"
        name = port.get("name", "")
        if len(ports) > 1 and not name:
            yield Cause.required(f"{at}.name")
        if name and name in names:
            yield Cause.duplicate(f"{at}.name", name)
        names.add(name)
        if not isinstance(port.get("port"), int) or not 0 < port["port"] < 65536:
            detail = "must be between 1 and 65535, inclusive"
            yield Cause.invalid(f"{at}.port", port.get("port", 0), detail)
    kinds = {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"}
    if spec["type"] not in kinds:
        yield Cause.not_supported("spec.type", spec["type"], kinds)


def _autoscaler(obj: Manifest) -> Causes:
    spec = obj["spec"]
    least, most = spec["minReplicas"], spec.get("maxReplicas", 0)
    if least < 1:
        detail = "must be greater than or equal to 1"
        yield Cause.invalid("spec.minReplicas", least, detail)
    if most < 1:
        yield Cause.invalid("spec.maxReplicas", most, "must be greater than 0")
    if most < least:
        detail = "must be greater than or equal to `minReplicas`"
        yield Cause.invalid("spec.maxReplicas", most, detail)
    target = spec.get("scaleTargetRef") or {}
    for field in ("kind", "name"):
        if not target.get(field):
            yield Cause.required(f"spec.scaleTargetRef.{field}")


def _budget(obj: Manifest) -> Causes:
    spec = obj.get("spec") or {}
    if "minAvailable" in spec and "maxUnavailable" in spec:
        detail = "minAvailable and maxUnavailable cannot be both set"
        yield Cause.invalid("spec", spec, detail)


def _definition(obj: Manifest) -> Causes:
    spec = obj["spec"]
    names = spec["names"]
    wanted = f"{names.get('plural', '')}.{spec.get('group', '')}"
    if obj["metadata"].get("name") != wanted:
        detail = 'must be spec.names.plural+"."+spec.group'
        yield Cause.invalid("metadata.name", obj["metadata"].get("name"), detail)
    for field in ("plural", "kind"):
        if not names.get(field):
            yield Cause.required(f"spec.names.{field}")
    if spec.get("scope") not in {"Cluster", "Namespaced"}:
        yield Cause.not_supported("spec.scope", spec.get("scope"), ["Cluster", "Namespaced"])
    stored = [version for version in spec.get("versions") or [] if version.get("storage")]
    if len(stored) != 1:
        detail = "must have exactly one version marked as storage version"
        yield Cause.invalid("spec.versions", spec.get("versions"), detail)


def _same_selector(new: Manifest, old: Manifest) -> Causes:
    if new["spec"].get("selector") != old["spec"].get("selector"):
        yield Cause.invalid("spec.selector", new["spec"].get("selector"), _IMMUTABLE)


def _stateful_update(new: Manifest, old: Manifest) -> Causes:
    fields = (new["spec"].keys() | old["spec"].keys()) - _STATEFUL_MUTABLE
    if any(new["spec"].get(field) != old["spec"].get(field) for field in fields):
        yield Cause.forbidden(
            "spec",
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', "
            "'template', 'updateStrategy', 'revisionHistoryLimit', "
            "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        )


def _service_update(new: Manifest, old: Manifest) -> Causes:
    address, wanted = old["spec"].get("clusterIP"), new["spec"].get("clusterIP")
    if address and new["spec"]["type"] != "ExternalName" and wanted != address:
        yield Cause.invalid("spec.clusterIPs[0]", [wanted], "may not change once set")


def _frozen(new: Manifest, old: Manifest) -> Causes:
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        yield Cause.forbidden("immutable", "field is immutable when `immutable` is set")
    for field in ("data", "binaryData"):
        if new.get(field) != old.get(field):
            yield Cause.forbidden(field, "field is immutable when `immutable` is set")


_RULES: Mapping[str, Callable[[Manifest], Causes]] = {
    "Pod": _pod,
    "Deployment": _deployment,
    "ReplicaSet": _workload,
    "StatefulSet": _workload,
    "DaemonSet": _workload,
    "Service": _service,
    "HorizontalPodAutoscaler": _autoscaler,
    "PodDisruptionBudget": _budget,
    "CustomResourceDefinition": _definition,
}
_UPDATE_RULES: Mapping[str, Callable[[Manifest, Manifest], Causes]] = {
    "Pod": pod_update_causes,
    "Deployment": _same_selector,
    "ReplicaSet": _same_selector,
    "DaemonSet": _same_selector,
    "StatefulSet": _stateful_update,
    "Service": _service_update,
    "ConfigMap": _frozen,
    "Secret": _frozen,
}
