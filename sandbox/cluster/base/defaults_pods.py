"""Defaults of pods and pod templates, after kubernetes `pkg/apis/core/v1/defaults.go`."""

from __future__ import annotations

from sandbox.cluster.base.types import Manifest

_MODE_0644 = 420
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_EVICTION_SECONDS = 300


def default_pod_spec(spec: Manifest) -> None:
    """What holds for a pod and for a template alike."""
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    for container in _dicts(spec.get("containers")) + _dicts(spec.get("initContainers")):
        _default_container(container)
    for volume in _dicts(spec.get("volumes")):
        _default_volume(volume)


def default_pod(pod: Manifest) -> None:
    """What holds for a pod only; the admission plugins' part included."""
    spec = pod["spec"]
    for container in _dicts(spec.get("containers")) + _dicts(spec.get("initContainers")):
        resources = container["resources"]
        for name, limit in (resources.get("limits") or {}).items():
            resources.setdefault("requests", {}).setdefault(name, limit)
    spec.setdefault("enableServiceLinks", True)
    account = spec.setdefault("serviceAccountName", "default")
    spec.setdefault("serviceAccount", account)
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    _tolerate_node_loss(spec)


def _tolerate_node_loss(spec: Manifest) -> None:
    tolerations = spec.setdefault("tolerations", [])
    for taint in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(each.get("key") in {None, "", taint} for each in _dicts(tolerations)):
            tolerations.append(
                {
                    "key": taint,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": _EVICTION_SECONDS,
                }
            )


def quality_of_service(spec: Manifest) -> str:
    """The pod's QoS class, from requests and limits of CPU and memory."""
    resources = [each.get("resources") or {} for each in _dicts(spec.get("containers"))]
    if not any(each.get("requests") or each.get("limits") for each in resources):
        return "BestEffort"
    guaranteed = all(
        {"cpu", "memory"} <= (each.get("limits") or {}).keys()
        and each.get("requests", each["limits"]) == each["limits"]
        for each in resources
    )
    return "Guaranteed" if guaranteed else "Burstable"


def _dicts(value: object) -> list[Manifest]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _default_container(container: Manifest) -> None:
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    container.setdefault("resources", {})
    if image := container.get("image"):
        container.setdefault("imagePullPolicy", _pull_policy(str(image)))
    for port in _dicts(container.get("ports")):
        port.setdefault("protocol", "TCP")
    for variable in _dicts(container.get("env")):
        field = (variable.get("valueFrom") or {}).get("fieldRef")
        if field:
            field.setdefault("apiVersion", "v1")
    for name in _PROBES:
        if isinstance(container.get(name), dict):
            _default_probe(container[name])


def _pull_policy(image: str) -> str:
    name = image.rsplit("/", 1)[-1]
    if "@" in name:
        return "IfNotPresent"
    return "Always" if name.partition(":")[2] in {"", "latest"} else "IfNotPresent"


def _default_probe(probe: Manifest) -> None:
    probe.setdefault("timeoutSeconds", 1)
    probe.setdefault("periodSeconds", 10)
    probe.setdefault("successThreshold", 1)
    probe.setdefault("failureThreshold", 3)
    if isinstance(probe.get("httpGet"), dict):
        probe["httpGet"].setdefault("path", "/")
        probe["httpGet"].setdefault("scheme", "HTTP")


def _default_volume(volume: Manifest) -> None:
    for kind in ("secret", "configMap", "projected", "downwardAPI"):
        if isinstance(volume.get(kind), dict):
            volume[kind].setdefault("defaultMode", _MODE_0644)
    if volume.keys() == {"name"}:
        volume["emptyDir"] = {}
