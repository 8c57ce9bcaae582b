"""What the API server fills in when a client leaves it out, by kind."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.cluster.base.defaults_pods import default_pod, default_pod_spec, quality_of_service
from sandbox.cluster.base.types import Manifest


def apply_defaults(obj: Manifest) -> None:
    """Fills in the defaults of the object's kind, in place."""
    fill = _DEFAULTS.get(obj["kind"])
    if fill is not None:
        if obj.get("spec") is None:
            obj.pop("spec", None)
        fill(obj)


def initial_status(obj: Manifest) -> Manifest | None:
    """The status a new object is born with, if its kind has one."""
    match obj["kind"]:
        case "Namespace":
            return {"phase": "Active"}
        case "Pod":
            return {"phase": "Pending", "qosClass": quality_of_service(obj["spec"])}
        case "Service":
            return {"loadBalancer": {}}
        case "Deployment" | "DaemonSet" | "Job":
            return {}
        case "ReplicaSet" | "StatefulSet":
            return {"replicas": 0}
    return None


def _spec(obj: Manifest) -> Manifest:
    spec = obj.setdefault("spec", {})
    return spec if isinstance(spec, dict) else {}


def _template(spec: Manifest) -> None:
    template = spec.get("template")
    if isinstance(template, dict):
        template.setdefault("metadata", {})
        if isinstance(template.get("spec"), dict):
            default_pod_spec(template["spec"])


def _pod(obj: Manifest) -> None:
    spec = _spec(obj)
    default_pod_spec(spec)
    default_pod(obj)


def _deployment(obj: Manifest) -> None:
    spec = _spec(obj)
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        limits = strategy.setdefault("rollingUpdate", {})
        limits.setdefault("maxUnavailable", "25%")
        limits.setdefault("maxSurge", "25%")
    _template(spec)


def _replica_set(obj: Manifest) -> None:
    spec = _spec(obj)
    spec.setdefault("replicas", 1)
    _template(spec)


def _stateful_set(obj: Manifest) -> None:
    spec = _spec(obj)
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("podManagementPolicy", "OrderedReady")
    spec.setdefault(
        "persistentVolumeClaimRetentionPolicy", {"whenDeleted": "Retain", "whenScaled": "Retain"}
    )
    strategy = spec.setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
    _template(spec)


def _daemon_set(obj: Manifest) -> None:
    spec = _spec(obj)
    spec.setdefault("revisionHistoryLimit", 10)
    strategy = spec.setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        limits = strategy.setdefault("rollingUpdate", {})
        limits.setdefault("maxUnavailable", 1)
        limits.setdefault("maxSurge", 0)
    _template(spec)


def _job(obj: Manifest) -> None:
    spec = _spec(obj)
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    _template(spec)


def _service(obj: Manifest) -> None:
    spec = _spec(obj)
    kind = spec.setdefault("type", "ClusterIP")
    if spec.setdefault("sessionAffinity", "None") == "ClientIP":
        spec.setdefault("sessionAffinityConfig", {"clientIP": {"timeoutSeconds": 10_800}})
    for port in spec.get("ports") or []:
        port.setdefault("protocol", "TCP")
        if "port" in port:
            port.setdefault("targetPort", port["port"])
    if kind != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
    if kind in {"NodePort", "LoadBalancer"}:
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def _autoscaler(obj: Manifest) -> None:
    spec = _spec(obj)
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def _secret(obj: Manifest) -> None:
    obj.setdefault("type", "Opaque")
    for key, value in (obj.pop("stringData", None) or {}).items():
        obj.setdefault("data", {})[key] = base64.b64encode(str(value).encode()).decode()


def _namespace(obj: Manifest) -> None:
    labels = obj["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = obj["metadata"].get("name", "")
    _spec(obj).setdefault("finalizers", ["kubernetes"])


def _definition(obj: Manifest) -> None:
    spec = _spec(obj)
    names = spec.setdefault("names", {})
    kind = str(names.get("kind", ""))
    names.setdefault("singular", kind.lower())
    names.setdefault("listKind", f"{kind}List")
    spec.setdefault("conversion", {"strategy": "None"})


_DEFAULTS: Mapping[str, Callable[[Manifest], Any]] = {
    "Pod": _pod,
    "Deployment": _deployment,
    "ReplicaSet": _replica_set,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "Service": _service,
    "HorizontalPodAutoscaler": _autoscaler,
    "Secret": _secret,
    "Namespace": _namespace,
    "CustomResourceDefinition": _definition,
}
