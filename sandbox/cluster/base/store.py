"""The objects of the cluster, with the API server's rules for writing them.

Everything runs in one event loop and no method awaits: each call is atomic. HTTP clients and
controllers write through the same methods, so both meet the same rules:

- `resourceVersion`, when given in an update, must be the current one, else 409.
- A write that changes nothing keeps the resourceVersion and raises no event.
- `status` changes only through `subresource="status"`, and nothing but status, labels and
  annotations changes through it (a Deployment's revision annotation is written that way).
- `metadata.generation` counts changes of the specification; for a Deployment also those of its
  annotations (registry/apps/deployment/strategy.go), unless written with the status.
- `subresource="binding"` is how a scheduler sets a pod's `spec.nodeName`.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from ipaddress import IPv4Network
from typing import Literal, TypeAlias

from sandbox.cluster.base.customresources import established, served_resources
from sandbox.cluster.base.defaults import apply_defaults, initial_status
from sandbox.cluster.base.errors import (
    ApiError,
    Cause,
    already_exists,
    bad_request,
    conflict,
    invalid,
    not_found,
)
from sandbox.cluster.base.events import Change, Event, Subscription
from sandbox.cluster.base.kept import KeptObjects
from sandbox.cluster.base.managed import track_update
from sandbox.cluster.base.resources import (
    CRDS,
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    SERVICES,
    ResourceType,
)
from sandbox.cluster.base.selectors import parse_fields, parse_labels
from sandbox.cluster.base.types import GVR, Manifest, Manifests, clone, rfc3339
from sandbox.cluster.base.validation import validate

# Deletion: grace periods, finalizers, the cascade to dependents, namespaces.
#
# Follows https://kubernetes.io/docs/concepts/architecture/garbage-collection/, but the cascade
# happens within the deleting call instead of a moment later.

Propagation: TypeAlias = Literal["Background", "Foreground", "Orphan"]
FOREGROUND = "foregroundDeletion"
DEFAULT_POD_GRACE = 30


def delete_object(
    store: ObjectStore,
    gvr: GVR,
    current: Manifest,
    *,
    propagation: Propagation,
    grace_period_seconds: int | None,
) -> Manifest:
    """Begins the deletion and finishes it when nothing holds the object; its last state."""
    uid = current["metadata"]["uid"]
    if propagation == "Orphan":
        _orphan_dependents(store, uid)
    grace = _grace_period(gvr, current, grace_period_seconds)
    holding = list(current["metadata"].get("finalizers", []))
    if propagation == "Foreground" and FOREGROUND not in holding and _blocking(store, uid):
        holding.append(FOREGROUND)
    if gvr == NAMESPACES:
        return _delete_namespace(store, current)
    if gvr == CRDS:
        _delete_custom_objects(store, current)
    if not holding and grace == 0:
        return store.remove(gvr, current)
    marked = _mark(store, current, grace=grace, finalizers=holding)
    stored = store.replace(gvr, current, marked)
    if propagation == "Foreground":
        _delete_dependents(store, uid, propagation="Foreground")
        finish_if_released(store, gvr, stored)
    return stored


def finish_if_released(store: ObjectStore, gvr: GVR, obj: Manifest) -> None:
    """Removes an object whose deletion was asked for once nothing holds it any more."""
    metadata = obj["metadata"]
    if "deletionTimestamp" not in metadata or store.stored(gvr, obj) is None:
        return
    finalizers = [name for name in metadata.get("finalizers", []) if name != FOREGROUND]
    waits_for_dependents = FOREGROUND in metadata.get("finalizers", [])
    if finalizers or (waits_for_dependents and _blocking(store, metadata["uid"])):
        return
    if metadata.get("deletionGracePeriodSeconds", 0) == 0:
        store.remove(gvr, obj)


def after_removal(store: ObjectStore, gvr: GVR, removed: Manifest) -> None:
    """Cascades to dependents and releases owners and the namespace that waited."""
    metadata = removed["metadata"]
    _delete_dependents(store, metadata["uid"], propagation="Background")
    for reference in metadata.get("ownerReferences", []):
        owner = store.find_uid(reference["uid"])
        if owner is not None and FOREGROUND in owner[1]["metadata"].get("finalizers", []):
            finish_if_released(store, *owner)
    if namespace := metadata.get("namespace"):
        _release_namespace(store, namespace)


def _mark(store: ObjectStore, obj: Manifest, *, grace: int, finalizers: list[str]) -> Manifest:
    marked = clone(obj)
    metadata = marked["metadata"]
    if "deletionTimestamp" not in metadata or grace < metadata["deletionGracePeriodSeconds"]:
        metadata["deletionTimestamp"] = rfc3339(store.now() + timedelta(seconds=grace))
        metadata["deletionGracePeriodSeconds"] = grace
    if finalizers:
        metadata["finalizers"] = finalizers
    return marked


def _grace_period(gvr: GVR, obj: Manifest, wanted: int | None) -> int:
    """Seconds. Only a pod that a kubelet runs needs time to end."""
    if gvr != PODS or not obj.get("spec", {}).get("nodeName"):
        return 0
    if obj.get("status", {}).get("phase") in {"Succeeded", "Failed"}:
        return 0
    if wanted is not None:
        return max(wanted, 0)
    return int(obj["spec"].get("terminationGracePeriodSeconds", DEFAULT_POD_GRACE))


def _dependents(store: ObjectStore, uid: str) -> Iterator[tuple[GVR, Manifest, Manifest]]:
    for gvr, obj in store.everything():
        for reference in obj["metadata"].get("ownerReferences", []):
            if reference["uid"] == uid:
                yield gvr, obj, reference


def _blocking(store: ObjectStore, uid: str) -> bool:
    return any(reference.get("blockOwnerDeletion") for _, _, reference in _dependents(store, uid))


def _without_owner(obj: Manifest, uid: str) -> Manifest:
    changed = clone(obj)
    others = [ref for ref in changed["metadata"]["ownerReferences"] if ref["uid"] != uid]
    if others:
        changed["metadata"]["ownerReferences"] = others
    else:
        del changed["metadata"]["ownerReferences"]
    return changed


def _orphan_dependents(store: ObjectStore, uid: str) -> None:
    for gvr, obj, _ in list(_dependents(store, uid)):
        store.replace(gvr, obj, _without_owner(obj, uid))


def _delete_dependents(store: ObjectStore, uid: str, *, propagation: Propagation) -> None:
    for gvr, obj, _ in list(_dependents(store, uid)):
        current = store.stored(gvr, obj)
        if current is None:
            continue
        others = [ref for ref in current["metadata"]["ownerReferences"] if ref["uid"] != uid]
        if any(store.find_uid(ref["uid"]) for ref in others):
            store.replace(gvr, current, _without_owner(current, uid))
        elif "deletionTimestamp" not in current["metadata"]:
            delete_object(store, gvr, current, propagation=propagation, grace_period_seconds=None)


def _delete_namespace(store: ObjectStore, namespace: Manifest) -> Manifest:
    marked = _mark(store, namespace, grace=0, finalizers=[])
    marked["status"] = {"phase": "Terminating"}
    stored = store.replace(NAMESPACES, namespace, marked)
    name = namespace["metadata"]["name"]
    for gvr, obj in list(store.everything()):
        current = store.stored(gvr, obj)
        if current is not None and obj["metadata"].get("namespace") == name:
            delete_object(store, gvr, current, propagation="Background", grace_period_seconds=None)
    _release_namespace(store, name)
    return stored


def _delete_custom_objects(store: ObjectStore, definition: Manifest) -> None:
    wanted = (definition["spec"]["group"], definition["spec"]["names"]["plural"])
    for gvr, obj in list(store.everything()):
        if (gvr.group, gvr.resource) == wanted and store.stored(gvr, obj) is not None:
            delete_object(store, gvr, obj, propagation="Background", grace_period_seconds=None)


def _release_namespace(store: ObjectStore, name: str) -> None:
    namespace = store.peek(NAMESPACES, "", name)
    if namespace is None or "deletionTimestamp" not in namespace["metadata"]:
        return
    if not any(obj["metadata"].get("namespace") == name for _, obj in store.everything()):
        store.remove(NAMESPACES, namespace)


# Cluster IPs and node ports of Services.

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


# The steps of a write: what a client may change, what the server sets, what counts as a change.

SERVER_FIELDS = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "selfLink",
)
_NOT_SPECIFICATION = ("apiVersion", "kind", "metadata", "status")


def begin(resource: ResourceType, obj: Manifest) -> Manifest:
    """Sets the object's type from the resource and returns its metadata."""
    obj["apiVersion"] = resource.gvr.api_version
    obj["kind"] = resource.kind
    metadata: Manifest = obj.setdefault("metadata", {})
    if not resource.namespaced:
        metadata.pop("namespace", None)
    return metadata


def reset_for_create(resource: ResourceType, obj: Manifest, *, uid: str, now: str) -> None:
    """Sets what only the server may set on a new object."""
    metadata = obj["metadata"]
    for field in (*SERVER_FIELDS, "resourceVersion", "managedFields"):
        metadata.pop(field, None)
    metadata["uid"] = uid
    metadata["creationTimestamp"] = now
    if resource.generation or resource.custom:
        metadata["generation"] = 1
    if resource.status:
        obj.pop("status", None)


def merge_protected(
    resource: ResourceType, new: Manifest, old: Manifest, subresource: str | None
) -> Manifest:
    """The update with everything restored that this kind of write may not change."""
    if subresource == "status":
        merged = _through_status(resource, new, old)
    elif subresource == "binding":
        merged = clone(old)
        merged["spec"]["nodeName"] = new["spec"]["nodeName"]
    else:
        merged = new
        if resource.status:
            merged.pop("status", None)
            if "status" in old:
                merged["status"] = clone(old["status"])
    metadata = merged["metadata"]
    for field in (*SERVER_FIELDS, "resourceVersion"):
        metadata.pop(field, None)
        if field in old["metadata"]:
            metadata[field] = old["metadata"][field]
    metadata["managedFields"] = new["metadata"].get(
        "managedFields", clone(old["metadata"].get("managedFields", []))
    )
    return merged


def _through_status(resource: ResourceType, new: Manifest, old: Manifest) -> Manifest:
    merged = clone(old)
    merged.pop("status", None)
    if "status" in new:
        merged["status"] = new["status"]
    if not resource.custom:
        kept = merged["metadata"].get("labels")
        merged["metadata"] = clone(new["metadata"])
        if resource.gvr == DEPLOYMENTS:
            merged["metadata"].pop("labels", None)
            if kept:
                merged["metadata"]["labels"] = kept
    return merged


def admit(
    store: ObjectStore,
    resource: ResourceType,
    new: Manifest,
    old: Manifest | None,
    *,
    subresource: str | None,
) -> None:
    """Fills in defaults and checks the rules of the kind; raises ApiError 422."""
    if subresource == "status":
        return
    apply_defaults(new)
    if resource.gvr == SERVICES:
        allocate(store, new, old)
    if old is None:
        status = initial_status(new)
        if status is not None:
            new["status"] = status
        if resource.gvr == CRDS:
            new["status"] = established(new, store.now())
    if subresource != "binding":
        validate(resource, new, old)


def count_generation(
    resource: ResourceType, new: Manifest, old: Manifest, subresource: str | None
) -> None:
    """Bumps metadata.generation when the specification changed."""
    if subresource == "status" or "generation" not in old["metadata"]:
        return
    changed = _specification(new) != _specification(old)
    if resource.gvr == DEPLOYMENTS:
        changed = changed or _annotations(new) != _annotations(old)
    if changed:
        new["metadata"]["generation"] = old["metadata"]["generation"] + 1


def _annotations(obj: Manifest) -> Manifest:
    return obj["metadata"].get("annotations") or {}


def _specification(obj: Manifest) -> Manifest:
    return {key: value for key, value in obj.items() if key not in _NOT_SPECIFICATION}


def same_content(new: Manifest, old: Manifest, managed_fields: Manifests | None) -> bool:
    """Whether a write would change nothing, not even who manages the fields."""
    managers = old["metadata"].get("managedFields", [])
    if managed_fields not in (None, managers):
        return False
    given = new["metadata"].get("managedFields") or []
    return given == managers and _without_managers(new) == _without_managers(old)


def _without_managers(obj: Manifest) -> Manifest:
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return {**obj, "metadata": metadata}


def track(
    resource: ResourceType,
    new: Manifest,
    old: Manifest | None,
    *,
    manager: str,
    now: datetime,
    computed: list[Manifest] | None = None,
    subresource: str | None = None,
) -> None:
    """Records in managedFields who set what; `computed` is what server-side apply found out."""
    if computed is not None:
        new["metadata"]["managedFields"] = computed
    else:
        track_update(
            new,
            old,
            resource.merge_schema,
            manager=manager,
            subresource=subresource or "",
            now=now,
        )
    if not new["metadata"].get("managedFields"):
        new["metadata"].pop("managedFields", None)


def committed(store: ObjectStore, resource: ResourceType, obj: Manifest, *, deleted: bool) -> None:
    """What follows from a write: a CustomResourceDefinition changes what is served."""
    if resource.gvr != CRDS:
        return
    for served in served_resources(obj):
        if deleted:
            store.catalog.withdraw(served.gvr)
        else:
            store.catalog.serve(served)


def namespace_terminating(gvr: GVR, name: str, namespace: str) -> ApiError:
    """403: nothing new may begin in a namespace that ends."""
    return ApiError(
        403,
        "Forbidden",
        f'{gvr.qualified} "{name}" is forbidden: unable to create new content in namespace '
        f"{namespace} because it is being terminated",
        {
            "name": name,
            "kind": gvr.resource,
            "causes": [
                {
                    "reason": "NamespaceTerminating",
                    "message": f"namespace {namespace} is being terminated",
                    "field": "metadata.namespace",
                }
            ],
        },
    )


__all__ = ["Event", "ObjectStore", "Subscription"]

SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_NAME_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"


class ObjectStore(KeptObjects):
    """Keeps manifests by resource, namespace and name; every method raises ApiError."""

    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        super().__init__(clock=clock)
        self._random = random.Random()
        for name in SYSTEM_NAMESPACES:
            self.create(NAMESPACES, {"metadata": {"name": name}}, manager="kube-apiserver")

    # --- reading ---------------------------------------------------------------------------

    def get(self, gvr: GVR, namespace: str | None, name: str) -> Manifest:
        """A copy of the object; 404 NotFound."""
        found = self.peek(gvr, namespace, name)
        if found is None:
            self.catalog.find(gvr)
            raise not_found(gvr, name)
        return clone(found)

    def list(
        self, gvr: GVR, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> Manifests:
        """Copies of the matching objects by namespace and name; None: of all namespaces."""
        self.catalog.find(gvr)
        requirements = parse_labels(labels)
        field_requirements = parse_fields(fields, gvr)
        return [
            clone(obj)
            for key, obj in sorted(self._objects.get(gvr, {}).items())
            if (not namespace or key[0] == namespace)
            and all(holds(obj["metadata"].get("labels") or {}) for holds in requirements)
            and all(holds(obj) for holds in field_requirements)
        ]

    # --- writing ---------------------------------------------------------------------------

    def create(
        self,
        gvr: GVR,
        obj: Manifest,
        *,
        manager: str = "sandbox",
        dry_run: bool = False,
        managed_fields: Manifests | None = None,
    ) -> Manifest:
        """Stores a new object and returns a copy; 409 AlreadyExists, 404 for the namespace.

        `managed_fields` is what server-side apply computed; otherwise `manager` owns the fields.
        """
        resource = self.catalog.find(gvr)
        new = clone(obj)
        metadata = begin(resource, new)
        if not metadata.get("name") and metadata.get("generateName"):
            suffix = "".join(self._random.choices(_NAME_SUFFIX, k=5))
            metadata["name"] = metadata["generateName"] + suffix
        reset_for_create(resource, new, uid=str(uuid.uuid4()), now=rfc3339(self.now()))
        admit(self, resource, new, None, subresource=None)
        if self.peek(gvr, metadata.get("namespace"), metadata["name"]) is not None:
            raise already_exists(gvr, metadata["name"])
        if resource.namespaced:
            self._require_namespace(gvr, metadata)
        track(resource, new, None, manager=manager, now=self.now(), computed=managed_fields)
        return clone(new) if dry_run else self._commit("ADDED", resource, new, None)

    def update(
        self,
        gvr: GVR,
        obj: Manifest,
        *,
        subresource: str | None = None,
        manager: str = "sandbox",
        dry_run: bool = False,
        managed_fields: Manifests | None = None,
    ) -> Manifest:
        """Replaces an object and returns a copy; 404, or 409 Conflict when it is stale."""
        resource = self.catalog.find(gvr)
        new = clone(obj)
        metadata = begin(resource, new)
        old = self.peek(gvr, metadata.get("namespace"), metadata.get("name", ""))
        if old is None:
            raise not_found(gvr, metadata.get("name", ""))
        self._check_preconditions(gvr, old, metadata)
        new = merge_protected(resource, new, old, subresource)
        admit(self, resource, new, old, subresource=subresource)
        count_generation(resource, new, old, subresource)
        if same_content(new, old, managed_fields):
            return clone(old)
        track(
            resource,
            new,
            old,
            manager=manager,
            now=self.now(),
            computed=managed_fields,
            subresource=subresource,
        )
        if dry_run:
            return clone(new)
        stored = self._commit("MODIFIED", resource, new, old)
        finish_if_released(self, gvr, new)
        return stored

    def mutate(
        self,
        gvr: GVR,
        namespace: str | None,
        name: str,
        fn: Callable[[Manifest], None],
        *,
        subresource: str | None = None,
        manager: str = "sandbox",
    ) -> Manifest:
        """Reads, lets `fn` change the copy in place, and writes it; 404 NotFound."""
        obj = self.get(gvr, namespace, name)
        fn(obj)
        return self.update(gvr, obj, subresource=subresource, manager=manager)

    def delete(
        self,
        gvr: GVR,
        namespace: str | None,
        name: str,
        *,
        propagation: Propagation = "Background",
        preconditions: Manifest | None = None,
        grace_period_seconds: int | None = None,
        dry_run: bool = False,
    ) -> Manifest:
        """Deletes and returns the object's last state; 404, 409 when a precondition fails.

        An object with finalizers, and a pod bound to a node, only gets a deletionTimestamp: it
        goes when the last finalizer does, or when the kubelet calls `finish_delete`.
        """
        current = self.peek(gvr, namespace, name)
        if current is None:
            raise not_found(gvr, name)
        self._check_preconditions(gvr, current, preconditions or {})
        if dry_run:
            return clone(current)
        deleted = delete_object(
            self,
            gvr,
            current,
            propagation=propagation,
            grace_period_seconds=grace_period_seconds,
        )
        return clone(deleted)

    def finish_delete(self, gvr: GVR, namespace: str | None, name: str) -> None:
        """The kubelet has ended the pod: removes it unless finalizers hold it. Idempotent."""
        if self.peek(gvr, namespace, name) is not None:
            self.delete(gvr, namespace, name, grace_period_seconds=0)

    # --- for the machinery's own changes ----------------------------------------------------

    def replace(self, gvr: GVR, old: Manifest, new: Manifest) -> Manifest:
        """Writes without admission, for the machinery's own changes of metadata."""
        if new != old:
            self._commit("MODIFIED", self.catalog.find(gvr), new, old)
        return new

    def remove(self, gvr: GVR, obj: Manifest) -> Manifest:
        """Takes the object out at once and cascades to what depends on it."""
        resource = self.catalog.find(gvr)
        last = clone(obj)
        self._commit("DELETED", resource, last, obj)
        after_removal(self, gvr, last)
        return last

    # --- inside ----------------------------------------------------------------------------

    def _commit(
        self, event: Change, resource: ResourceType, new: Manifest, old: Manifest | None
    ) -> Manifest:
        stored = self.commit(event, resource, new, old)
        committed(self, resource, new, deleted=event == "DELETED")
        return stored

    def _require_namespace(self, gvr: GVR, metadata: Manifest) -> None:
        name = metadata.get("namespace")
        if not name:
            raise bad_request("an empty namespace may not be set during creation")
        namespace = self.peek(NAMESPACES, "", name)
        if namespace is None:
            raise not_found(NAMESPACES, name)
        if "deletionTimestamp" in namespace["metadata"]:
            raise namespace_terminating(gvr, metadata["name"], name)

    @staticmethod
    def _check_preconditions(gvr: GVR, current: Manifest, wanted: Manifest) -> None:
        have = current["metadata"]
        if wanted.get("uid") and wanted["uid"] != have["uid"]:
            wrong_uid = (
                f"Precondition failed: UID in precondition: {wanted['uid']}, "
                f"UID in object meta: {have['uid']}"
            )
            raise conflict(gvr, have["name"], wrong_uid)
        if wanted.get("resourceVersion") and wanted["resourceVersion"] != have["resourceVersion"]:
            raise conflict(gvr, have["name"])
