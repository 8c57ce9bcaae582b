"""The Endpoints controller: the older view of the same pods that EndpointSlices show."""

from datetime import timedelta

from sandbox.cluster.base.resources import ENDPOINTS, PODS, SERVICES
from sandbox.cluster.base.types import GVR, Manifest
from sandbox.cluster.controllers.access import Access
from sandbox.cluster.controllers.endpointslice import selected, service_keys_of_pod, target_port
from sandbox.cluster.controllers.manager import Key, KeysOf, own_key
from sandbox.cluster.controllers.objects import (
    is_pod_ready,
    is_terminating,
    labels_of,
    name_of,
    namespace_of,
    uid_of,
)


class EndpointsController:
    """One Endpoints object of the same name for each Service with a selector."""

    def __init__(self, access: Access) -> None:
        self._access = access

    @property
    def watches(self) -> dict[GVR, KeysOf]:
        return {SERVICES: own_key, PODS: lambda pod: service_keys_of_pod(self._access, pod)}

    def reconcile(self, key: Key) -> timedelta | None:
        service = self._access.get(SERVICES, key.namespace, key.name)
        existing = self._access.get(ENDPOINTS, key.namespace, key.name)
        if service is None:
            if existing is not None:
                self._access.delete(ENDPOINTS, existing)
            return None
        if not service["spec"].get("selector"):
            return None
        subsets = _subsets(service, self._access.find(PODS, key.namespace))
        labels = labels_of(service)
        if existing is None:
            metadata = {"name": key.name, "namespace": key.namespace, "labels": labels}
            self._access.create(
                ENDPOINTS,
                {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": subsets},
            )
            return None

        def change(obj: Manifest) -> None:
            obj["metadata"]["labels"] = labels
            obj["subsets"] = subsets

        self._access.change(ENDPOINTS, existing, change)
        return None


def _subsets(service: Manifest, pods: list[Manifest]) -> list[Manifest]:
    """One subset for each set of port numbers; terminating pods are left out."""
    published = bool(service["spec"].get("publishNotReadyAddresses"))
    grouped: dict[tuple[int | None, ...], Manifest] = {}
    ports = service["spec"].get("ports") or []
    for pod in selected(service, pods):
        if is_terminating(pod) and not published:
            continue
        numbers = tuple(target_port(pod, port) for port in ports)
        subset = grouped.setdefault(numbers, {})
        kind = "addresses" if published or is_pod_ready(pod) else "notReadyAddresses"
        subset.setdefault(kind, []).append(_address(pod))
    for numbers, subset in grouped.items():
        subset["ports"] = [
            {
                **({"name": port["name"]} if port.get("name") else {}),
                "port": number,
                "protocol": port.get("protocol", "TCP"),
            }
            for port, number in zip(ports, numbers, strict=True)
            if number is not None
        ]
    return list(grouped.values())


def _address(pod: Manifest) -> Manifest:
    return {
        "ip": pod["status"]["podIP"],
        "nodeName": pod["spec"].get("nodeName", ""),
        "targetRef": {
            "kind": "Pod",
            "namespace": namespace_of(pod),
            "name": name_of(pod),
            "uid": uid_of(pod),
        },
    }
