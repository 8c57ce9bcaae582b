"""How lists and maps of each kind merge, for strategic merge patch and server-side apply.

The facts are the `patchStrategy` / `patchMergeKey` tags and the `listType` / `mapType` /
`structType` markers of k8s.io/api. What is not named here merges as plain JSON: maps field by
field, lists as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Node:
    """The rules at one place of a manifest.

    `fields`: children by name. `items`: rules of list items and of map values.
    `merge_key`: strategic merge matches list items by it; `primitives`: it merges scalars.
    `apply_keys`: server-side apply tracks list items by them; `apply_set`: a set of scalars.
    `key_defaults`: what a missing key counts as. `atomic`: server-side apply owns it as a whole.
    `retain_keys`: a union: strategic merge drops the members that the patch leaves out.
    """

    fields: Mapping[str, Node] = field(default_factory=lambda: _NOTHING)
    items: Node | None = None
    merge_key: str = ""
    primitives: bool = False
    apply_keys: tuple[str, ...] = ()
    apply_set: bool = False
    key_defaults: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    atomic: bool = False
    retain_keys: bool = False

    def child(self, name: str) -> Node:
        """The rules of a field or of a map's value."""
        return self.fields.get(name) or self.items or PLAIN

    @property
    def item(self) -> Node:
        """The rules of a list's items."""
        return self.items or PLAIN


PLAIN = Node()
ATOMIC = Node(atomic=True)
SET = Node(primitives=True, apply_set=True)


def _struct(**fields: Node) -> Node:
    return Node(fields=fields)


def _keyed(key: str, item: Node = PLAIN, *, keys: tuple[str, ...] = (), **more: Any) -> Node:
    return Node(merge_key=key, apply_keys=keys or (key,), items=item, **more)


def _strategic_only(key: str) -> Node:
    return Node(merge_key=key)


_PROTOCOL = {"protocol": "TCP"}
_CONDITIONS = _keyed("type")
_ENV = _keyed(
    "name",
    _struct(
        valueFrom=_struct(
            configMapKeyRef=ATOMIC,
            secretKeyRef=ATOMIC,
            fieldRef=ATOMIC,
            resourceFieldRef=ATOMIC,
        )
    ),
)
_CONTAINER = _struct(
    env=_ENV,
    ports=_keyed("containerPort", keys=("containerPort", "protocol"), key_defaults=_PROTOCOL),
    volumeMounts=_keyed("mountPath"),
    volumeDevices=_keyed("devicePath"),
    resources=_struct(claims=_keyed("name")),
)
_VOLUME = Node(
    retain_keys=True,
    fields={
        "configMap": PLAIN,
        "secret": PLAIN,
        "projected": PLAIN,
    },
)
_POD_SPEC = _struct(
    containers=_keyed("name", _CONTAINER),
    initContainers=_keyed("name", _CONTAINER),
    ephemeralContainers=_keyed("name", _CONTAINER),
    volumes=_keyed("name", _VOLUME),
    imagePullSecrets=_keyed("name", ATOMIC),
    hostAliases=_keyed("ip"),
    nodeSelector=ATOMIC,
    topologySpreadConstraints=_keyed(
        "topologyKey",
        _struct(labelSelector=ATOMIC),
        keys=("topologyKey", "whenUnsatisfiable"),
    ),
    resourceClaims=Node(merge_key="name", apply_keys=("name",), items=Node(retain_keys=True)),
    schedulingGates=_keyed("name"),
)
_METADATA = _struct(
    ownerReferences=_keyed("uid", ATOMIC),
    finalizers=SET,
)
_TEMPLATE = _struct(metadata=_METADATA, spec=_POD_SPEC)


def _kind(*, spec: Node = PLAIN, status: Node | None = None, **fields: Node) -> Node:
    return _struct(
        metadata=_METADATA, spec=spec, status=status or _struct(conditions=_CONDITIONS), **fields
    )


_WORKLOAD = _struct(
    selector=ATOMIC,
    template=_TEMPLATE,
    strategy=Node(retain_keys=True),
)

KINDS: Mapping[str, Node] = {
    "Deployment": _kind(spec=_WORKLOAD),
    "ReplicaSet": _kind(spec=_WORKLOAD),
    "StatefulSet": _kind(spec=_WORKLOAD),
    "DaemonSet": _kind(spec=_WORKLOAD),
    "Job": _kind(spec=_struct(selector=ATOMIC, template=_TEMPLATE)),
    "Pod": _kind(
        spec=_POD_SPEC,
        status=_struct(
            conditions=_CONDITIONS,
            podIPs=_keyed("ip"),
            hostIPs=Node(merge_key="ip"),
        ),
    ),
    "Service": _kind(
        spec=_struct(
            selector=ATOMIC,
            ports=_keyed("port", keys=("port", "protocol"), key_defaults=_PROTOCOL),
        )
    ),
    "ServiceAccount": _struct(
        metadata=_METADATA,
        secrets=_keyed("name", ATOMIC),
        imagePullSecrets=Node(items=ATOMIC),
    ),
    "Node": _kind(
        spec=_struct(podCIDRs=SET),
        status=_struct(conditions=_CONDITIONS, addresses=_keyed("type")),
    ),
    "PodDisruptionBudget": _kind(spec=_struct(selector=Node(atomic=True, retain_keys=False))),
    "Namespace": _kind(),
    "HorizontalPodAutoscaler": _kind(spec=_struct(scaleTargetRef=PLAIN)),
    "CustomResourceDefinition": _kind(status=_struct(conditions=_CONDITIONS)),
    "Endpoints": _struct(metadata=_METADATA),
    "Event": _struct(metadata=_METADATA, involvedObject=ATOMIC, related=ATOMIC),
    "Secret": _struct(metadata=_METADATA),
    "ConfigMap": _struct(metadata=_METADATA),
}


def schema_of(kind: str) -> Node:
    """The rules of a built-in kind."""
    return KINDS.get(kind) or _kind()


def from_openapi(schema: Mapping[str, Any]) -> Node:
    """The rules that a CustomResourceDefinition's schema declares with `x-kubernetes-*`."""
    values = schema.get("items") or schema.get("additionalProperties")
    list_type = schema.get("x-kubernetes-list-type", "atomic")
    return Node(
        fields={name: from_openapi(sub) for name, sub in schema.get("properties", {}).items()},
        items=from_openapi(values) if isinstance(values, Mapping) else None,
        apply_keys=(
            tuple(schema.get("x-kubernetes-list-map-keys", ())) if list_type == "map" else ()
        ),
        apply_set=list_type == "set",
        atomic=schema.get("x-kubernetes-map-type") == "atomic",
    )


def custom_schema(schema: Mapping[str, Any]) -> Node:
    """The rules of a custom kind: what it declares, and those of every object's metadata."""
    declared = from_openapi(schema)
    return Node(fields={**declared.fields, "metadata": _METADATA})
