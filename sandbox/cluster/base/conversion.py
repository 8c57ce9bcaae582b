"""Between the version a client speaks and the version that is stored."""

from __future__ import annotations

from typing import Any

from sandbox.cluster.base.resources import HPAS_V1, ResourceType
from sandbox.cluster.base.types import Manifest, clone

_METRICS = "autoscaling.alpha.kubernetes.io/metrics"
_CPU = "targetCPUUtilizationPercentage"


def to_served(resource: ResourceType, obj: Manifest) -> Manifest:
    """A stored object as this resource's clients see it."""
    if resource.storage is None:
        return obj
    served = {**obj, "apiVersion": resource.gvr.api_version, "kind": resource.kind}
    return _hpa_v1(served) if resource.gvr == HPAS_V1 else served


def to_stored(resource: ResourceType, obj: Manifest) -> Manifest:
    """An object from a client as it is stored."""
    if resource.storage is None:
        return obj
    stored = {**obj, "apiVersion": resource.storage.api_version}
    return _hpa_v2(stored) if resource.gvr == HPAS_V1 else stored


def _is_cpu(metric: Manifest) -> bool:
    source = metric.get("resource") or {}
    return metric.get("type") == "Resource" and source.get("name") == "cpu"


def _hpa_v1(obj: Manifest) -> Manifest:
    served: Manifest = clone(obj)
    spec = served.get("spec", {})
    others = []
    for metric in spec.pop("metrics", []):
        target = (metric.get("resource") or {}).get("target") or {}
        if _is_cpu(metric) and "averageUtilization" in target and _CPU not in spec:
            spec[_CPU] = target["averageUtilization"]
        else:
            others.append(metric)
    spec.pop("behavior", None)
    status: dict[str, Any] = served.get("status", {})
    for metric in status.pop("currentMetrics", []) or []:
        current = (metric.get("resource") or {}).get("current") or {}
        if _is_cpu(metric) and "averageUtilization" in current:
            status["currentCPUUtilizationPercentage"] = current["averageUtilization"]
    status.pop("conditions", None)
    return served


def _hpa_v2(obj: Manifest) -> Manifest:
    stored: Manifest = clone(obj)
    spec = stored.get("spec", {})
    target = spec.pop(_CPU, None)
    if target is not None:
        spec["metrics"] = [
            {
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": target},
                },
            }
        ]
    return stored
