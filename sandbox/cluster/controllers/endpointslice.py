"""The EndpointSlice controller: which pods stand behind a Service, and in what state."""

from datetime import timedelta

from sandbox.cluster.base.resources import ENDPOINT_SLICES, PODS, SERVICES
from sandbox.cluster.base.types import GVR, Manifest
from sandbox.cluster.controllers.access import Access
from sandbox.cluster.controllers.hashing import short_hash
from sandbox.cluster.controllers.manager import Key, KeysOf, own_key
from sandbox.cluster.controllers.objects import (
    created_before,
    is_pod_ready,
    is_terminating,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    uid_of,
)

SERVICE_NAME = "kubernetes.io/service-name"
_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_MANAGER = "endpointslice-controller.k8s.io"


def selected(service: Manifest, pods: list[Manifest]) -> list[Manifest]:
    """The pods a Service selects that have an address and have not finished, oldest first."""
    selector: dict[str, str] = service["spec"].get("selector") or {}
    chosen = [
        pod
        for pod in pods
        if selector
        and labels_of(pod).items() >= selector.items()
        and (pod.get("status") or {}).get("podIP")
        and pod["status"].get("phase") not in {"Succeeded", "Failed"}
    ]
    return sorted(chosen, key=created_before)


def target_port(pod: Manifest, port: Manifest) -> int | None:
    """The container port behind a Service port (`FindPort`); None when the pod has no such name."""
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    for container in pod["spec"]["containers"]:
        for declared in container.get("ports") or []:
            if declared.get("name") == target:
                return int(declared["containerPort"])
    return None


def service_keys_of_pod(access: Access, pod: Manifest) -> list[Key]:
    """The Services that select the pod."""
    return [
        Key(namespace=namespace_of(service), name=name_of(service))
        for service in access.find(SERVICES, namespace_of(pod))
        if (selector := service["spec"].get("selector"))
        and labels_of(pod).items() >= selector.items()
    ]


class EndpointSliceController:
    """Keeps the slices of each Service that has a selector: one for each set of port numbers."""

    def __init__(self, access: Access) -> None:
        self._access = access

    @property
    def watches(self) -> dict[GVR, KeysOf]:
        return {
            SERVICES: own_key,
            PODS: lambda pod: service_keys_of_pod(self._access, pod),
            ENDPOINT_SLICES: self._service_of_slice,
        }

    @staticmethod
    def _service_of_slice(obj: Manifest) -> list[Key]:
        service = labels_of(obj).get(SERVICE_NAME)
        return [Key(namespace=namespace_of(obj), name=service)] if service else []

    def reconcile(self, key: Key) -> timedelta | None:
        service = self._access.get(SERVICES, key.namespace, key.name)
        if service is None or not service["spec"].get("selector"):
            return None
        wanted = {
            name_of(obj): obj for obj in _slices(service, self._access.find(PODS, key.namespace))
        }
        owned = self._access.find(
            ENDPOINT_SLICES,
            key.namespace,
            labels=f"{SERVICE_NAME}={key.name},{_MANAGED_BY}={_MANAGER}",
        )
        # Nobody may see a moment without endpoints: what is new comes before what goes.
        present = {name_of(obj) for obj in owned}
        for name, obj in wanted.items():
            if name not in present:
                self._access.create(ENDPOINT_SLICES, obj)
        for existing in owned:
            if replacement := wanted.get(name_of(existing)):
                self._update(existing, replacement)
            else:
                self._access.delete(ENDPOINT_SLICES, existing)
        return None

    def _update(self, existing: Manifest, wanted: Manifest) -> None:
        def change(obj: Manifest) -> None:
            obj["metadata"]["labels"] = wanted["metadata"]["labels"]
            obj["endpoints"] = wanted["endpoints"]
            obj["ports"] = wanted["ports"]

        self._access.change(ENDPOINT_SLICES, existing, change)


def _slices(service: Manifest, pods: list[Manifest]) -> list[Manifest]:
    """Pods whose named ports have different numbers need different slices."""
    by_ports: dict[tuple[int | None, ...], list[Manifest]] = {}
    ports = service["spec"].get("ports") or []
    for pod in selected(service, pods):
        numbers = tuple(target_port(pod, port) for port in ports)
        by_ports.setdefault(numbers, []).append(pod)
    if not by_ports:
        by_ports[tuple(None for _ in ports)] = []
    return [
        _slice(service, index, numbers, chosen)
        for index, (numbers, chosen) in enumerate(by_ports.items())
    ]


def _slice(
    service: Manifest, index: int, numbers: tuple[int | None, ...], pods: list[Manifest]
) -> Manifest:
    ports = [
        {"name": port.get("name", ""), "port": number, "protocol": port.get("protocol", "TCP")}
        for port, number in zip(service["spec"].get("ports") or [], numbers, strict=True)
        if number is not None
    ]
    suffix = short_hash([uid_of(service), index])[:5]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "addressType": "IPv4",
        "metadata": {
            "name": f"{name_of(service)}-{suffix}",
            "namespace": namespace_of(service),
            "labels": {
                **labels_of(service),
                SERVICE_NAME: name_of(service),
                _MANAGED_BY: _MANAGER,
            },
            "ownerReferences": [owner_reference(service)],
        },
        "endpoints": [_endpoint(service, pod) for pod in pods],
        "ports": ports,
    }


def _endpoint(service: Manifest, pod: Manifest) -> Manifest:
    """`podToEndpoint`: with publishNotReadyAddresses every pod is said to be ready."""
    serving, terminating = is_pod_ready(pod), is_terminating(pod)
    published = bool(service["spec"].get("publishNotReadyAddresses"))
    endpoint: Manifest = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": published or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "targetRef": {
            "kind": "Pod",
            "namespace": namespace_of(pod),
            "name": name_of(pod),
            "uid": uid_of(pod),
        },
    }
    if node := pod["spec"].get("nodeName"):
        endpoint["nodeName"] = node
    return endpoint
