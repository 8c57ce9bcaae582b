"""Deletion: grace periods, finalizers, the cascade to dependents, namespaces.

Follows https://kubernetes.io/docs/concepts/architecture/garbage-collection/, but the cascade
happens within the deleting call instead of a moment later.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

from sandbox.cluster.resources import CRDS, NAMESPACES, PODS
from sandbox.cluster.types import GVR, Manifest, clone, rfc3339

if TYPE_CHECKING:
    from sandbox.cluster.store import ObjectStore


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
