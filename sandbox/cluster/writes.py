"""The steps of a write: what a client may change, what the server sets, what counts as a change."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sandbox.cluster.addresses import allocate
from sandbox.cluster.customresources import established, served_resources
from sandbox.cluster.defaults import apply_defaults, initial_status
from sandbox.cluster.errors import ApiError
from sandbox.cluster.managed import track_update
from sandbox.cluster.resources import CRDS, DEPLOYMENTS, SERVICES, ResourceType
from sandbox.cluster.types import GVR, Manifest, Manifests, clone
from sandbox.cluster.validation import validate

if TYPE_CHECKING:
    from sandbox.cluster.store import ObjectStore


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
