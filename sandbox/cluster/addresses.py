"""Cluster IPs and node ports of Services."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from sandbox.cluster.errors import Cause, invalid
from sandbox.cluster.resources import SERVICES
from sandbox.cluster.types import Manifest

if TYPE_CHECKING:
    from sandbox.cluster.store import ObjectStore


_RANGE = IPv4Network("10.96.0.0/16")
_NODE_PORTS = range(30000, 32768)


def allocate(store: ObjectStore, service: Manifest, old: Manifest | None) -> None:
    """Gives the Service what it needs and lets it keep what it has; ApiError 422 when taken."""
    spec = service["spec"]
    if spec["type"] == "ExternalName":
        return
    if old is not None:
        _keep(spec, old["spec"])
    if not spec.get("clusterIP"):
        spec["clusterIP"] = _free_address(store)
    elif old is None and spec["clusterIP"] != "None" and spec["clusterIP"] in set(_taken(store)):
        cause = Cause.invalid(
            "spec.clusterIPs", [spec["clusterIP"]], "provided IP is already allocated"
        )
        raise invalid("", "Service", service["metadata"]["name"], [cause])
    spec.setdefault("clusterIPs", [spec["clusterIP"]])
    if spec["type"] in {"NodePort", "LoadBalancer"}:
        taken = set(_taken_ports(store))
        for port in spec.get("ports") or []:
            if not port.get("nodePort"):
                port["nodePort"] = next(free for free in _NODE_PORTS if free not in taken)
                taken.add(port["nodePort"])


def _keep(spec: Manifest, before: Manifest) -> None:
    for field in ("clusterIP", "clusterIPs"):
        if not spec.get(field) and before.get(field):
            spec[field] = before[field]
    known = {(port.get("port"), port.get("protocol")): port for port in before.get("ports") or []}
    if spec["type"] in {"NodePort", "LoadBalancer"}:
        for port in spec.get("ports") or []:
            same = known.get((port.get("port"), port.get("protocol")), {})
            if "nodePort" in same:
                port.setdefault("nodePort", same["nodePort"])


def _services(store: ObjectStore) -> Iterator[Manifest]:
    return (obj["spec"] for gvr, obj in store.everything() if gvr == SERVICES)


def _taken(store: ObjectStore) -> Iterator[str]:
    return (spec["clusterIP"] for spec in _services(store) if "clusterIP" in spec)


def _taken_ports(store: ObjectStore) -> Iterator[int]:
    for spec in _services(store):
        for port in spec.get("ports") or []:
            yield port.get("nodePort", 0)


def _free_address(store: ObjectStore) -> str:
    taken = set(_taken(store))
    # The first hosts of the range belong to the API server and to DNS.
    hosts = (str(_RANGE[number]) for number in range(20, _RANGE.num_addresses - 1))
    return next(host for host in hosts if host not in taken)
