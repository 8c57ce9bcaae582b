"""What `kubectl get` shows of services, endpoints, nodes, events and configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from sandbox.cluster.base.columns import (
    AGE,
    NAME,
    NONE,
    Column,
    count,
    labels_text,
    spec,
    status,
    text,
)
from sandbox.cluster.base.durations import UNKNOWN, age
from sandbox.cluster.base.types import Manifest

_SHOWN_ENDPOINTS = 3


def _service_ports(service: Manifest) -> str:
    shown = []
    for port in spec(service).get("ports") or []:
        node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
        shown.append(f"{port['port']}{node_port}/{port.get('protocol', 'TCP')}")
    return ",".join(shown) or NONE


def _external_ip(service: Manifest) -> str:
    wanted = spec(service)
    if wanted.get("type") == "ExternalName":
        return str(wanted.get("externalName", NONE))
    if wanted.get("type") == "LoadBalancer":
        ingress = (status(service).get("loadBalancer") or {}).get("ingress") or []
        found = [each.get("ip") or each.get("hostname", "") for each in ingress]
        return ",".join(found) or "<pending>"
    return ",".join(wanted.get("externalIPs") or []) or NONE


def _more(items: list[str], shown: int) -> str:
    if len(items) > shown:
        return ",".join(items[:shown]) + f" + {len(items) - shown} more..."
    return ",".join(items)


def _slice_ports(endpoint_slice: Manifest) -> str:
    ports = [str(port.get("port", "*")) for port in endpoint_slice.get("ports") or []]
    return _more(ports, _SHOWN_ENDPOINTS) or UNSET_PORTS


def _slice_endpoints(endpoint_slice: Manifest) -> str:
    found = [
        address
        for endpoint in endpoint_slice.get("endpoints") or []
        for address in endpoint.get("addresses") or []
    ]
    return _more(found, _SHOWN_ENDPOINTS) or UNSET_PORTS


UNSET_PORTS = "<unset>"


def _endpoints(endpoints: Manifest) -> str:
    found = [
        f"{address['ip']}:{port['port']}"
        for subset in endpoints.get("subsets") or []
        for port in subset.get("ports") or []
        for address in subset.get("addresses") or []
    ]
    return _more(found, _SHOWN_ENDPOINTS) or NONE


def _node_status(node: Manifest) -> str:
    conditions = {c["type"]: c["status"] for c in status(node).get("conditions") or []}
    shown = {"True": "Ready"}.get(conditions.get("Ready", ""), "NotReady")
    if "Ready" not in conditions:
        shown = "Unknown"
    return f"{shown},SchedulingDisabled" if spec(node).get("unschedulable") else shown


def _node_roles(node: Manifest) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = node["metadata"].get("labels") or {}
    return (
        ",".join(sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix)))
        or NONE
    )


def _node_info(field: str) -> Callable[[Manifest], str]:
    return lambda node: (status(node).get("nodeInfo") or {}).get(field) or UNKNOWN


def _node_address(kind: str) -> Callable[[Manifest], str]:
    def cell(node: Manifest) -> str:
        found = [a["address"] for a in status(node).get("addresses") or [] if a["type"] == kind]
        return found[0] if found else NONE

    return cell


def _event_object(event: Manifest) -> str:
    involved = event.get("involvedObject") or {}
    return f"{involved.get('kind', '').lower()}/{involved.get('name', '')}"


def _event_source(event: Manifest) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent") or ""
    return f"{component}, {source['host']}" if source.get("host") else component


def _last_seen(event: Manifest, now: datetime) -> str:
    series = event.get("series") or {}
    moment = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return age(moment or event["metadata"].get("creationTimestamp"), now)


def _first_seen(event: Manifest, now: datetime) -> str:
    return age(event.get("firstTimestamp") or event.get("eventTime"), now)


def _event_count(event: Manifest) -> int:
    return int((event.get("series") or {}).get("count") or event.get("count") or 1)


def _data(obj: Manifest) -> int:
    return len(obj.get("data") or {}) + len(obj.get("binaryData") or {})


def _ingress_hosts(ingress: Manifest) -> str:
    hosts = [rule["host"] for rule in spec(ingress).get("rules") or [] if rule.get("host")]
    return _more(hosts, 3) or "*"


def _ingress_address(ingress: Manifest) -> str:
    found = (status(ingress).get("loadBalancer") or {}).get("ingress") or []
    return ",".join(each.get("ip") or each.get("hostname", "") for each in found)


NETWORK_COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "services": (
        NAME,
        text("Type", lambda o: spec(o).get("type", "ClusterIP")),
        text("Cluster-IP", lambda o: spec(o).get("clusterIP") or NONE),
        text("External-IP", _external_ip),
        text("Port(s)", _service_ports),
        AGE,
        text("Selector", lambda o: labels_text(spec(o).get("selector")), wide=True),
    ),
    "endpointslices": (
        NAME,
        text("AddressType", lambda o: o.get("addressType", "")),
        text("Ports", _slice_ports),
        text("Endpoints", _slice_endpoints),
        AGE,
    ),
    "endpoints": (NAME, text("Endpoints", _endpoints), AGE),
    "ingresses": (
        NAME,
        text("Class", lambda o: spec(o).get("ingressClassName") or NONE),
        text("Hosts", _ingress_hosts),
        text("Address", _ingress_address),
        text("Ports", lambda o: "80, 443" if spec(o).get("tls") else "80"),
        AGE,
    ),
    "nodes": (
        NAME,
        text("Status", _node_status),
        text("Roles", _node_roles),
        AGE,
        text("Version", _node_info("kubeletVersion")),
        text("Internal-IP", _node_address("InternalIP"), wide=True),
        text("External-IP", _node_address("ExternalIP"), wide=True),
        text("OS-Image", _node_info("osImage"), wide=True),
        text("Kernel-Version", _node_info("kernelVersion"), wide=True),
        text("Container-Runtime", _node_info("containerRuntimeVersion"), wide=True),
    ),
    "namespaces": (NAME, text("Status", lambda o: status(o).get("phase", "")), AGE),
    "events": (
        Column(name="Last Seen", cell=_last_seen),
        text("Type", lambda o: o.get("type", "")),
        text("Reason", lambda o: o.get("reason", "")),
        text("Object", _event_object),
        text(
            "Subobject", lambda o: (o.get("involvedObject") or {}).get("fieldPath", ""), wide=True
        ),
        text("Source", _event_source, wide=True),
        text("Message", lambda o: (o.get("message") or "").strip()),
        Column(name="First Seen", cell=_first_seen, priority=1),
        Column(name="Count", cell=lambda o, _: _event_count(o), type="integer", priority=1),
        Column(name="Name", cell=lambda o, _: o["metadata"]["name"], priority=1),
    ),
    "configmaps": (NAME, count("Data", _data), AGE),
    "secrets": (NAME, text("Type", lambda o: o.get("type", "Opaque")), count("Data", _data), AGE),
    "serviceaccounts": (NAME, count("Secrets", lambda o: len(o.get("secrets") or [])), AGE),
    "leases": (NAME, text("Holder", lambda o: spec(o).get("holderIdentity") or ""), AGE),
    "customresourcedefinitions": (
        NAME,
        text("Created At", lambda o: o["metadata"].get("creationTimestamp", "")),
    ),
}
