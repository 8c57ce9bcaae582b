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
from collections.abc import Callable
from datetime import datetime

from sandbox.cluster import garbage, writes
from sandbox.cluster.errors import already_exists, bad_request, conflict, not_found
from sandbox.cluster.events import Change, Event, Subscription
from sandbox.cluster.garbage import Propagation
from sandbox.cluster.kept import KeptObjects
from sandbox.cluster.resources import NAMESPACES, ResourceType
from sandbox.cluster.selectors import parse_fields, parse_labels
from sandbox.cluster.types import GVR, Manifest, Manifests, clone, rfc3339

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
        metadata = writes.begin(resource, new)
        if not metadata.get("name") and metadata.get("generateName"):
            suffix = "".join(self._random.choices(_NAME_SUFFIX, k=5))
            metadata["name"] = metadata["generateName"] + suffix
        writes.reset_for_create(resource, new, uid=str(uuid.uuid4()), now=rfc3339(self.now()))
        writes.admit(self, resource, new, None, subresource=None)
        if self.peek(gvr, metadata.get("namespace"), metadata["name"]) is not None:
            raise already_exists(gvr, metadata["name"])
        if resource.namespaced:
            self._require_namespace(gvr, metadata)
        writes.track(resource, new, None, manager=manager, now=self.now(), computed=managed_fields)
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
        metadata = writes.begin(resource, new)
        old = self.peek(gvr, metadata.get("namespace"), metadata.get("name", ""))
        if old is None:
            raise not_found(gvr, metadata.get("name", ""))
        self._check_preconditions(gvr, old, metadata)
        new = writes.merge_protected(resource, new, old, subresource)
        writes.admit(self, resource, new, old, subresource=subresource)
        writes.count_generation(resource, new, old, subresource)
        if writes.same_content(new, old, managed_fields):
            return clone(old)
        writes.track(
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
        garbage.finish_if_released(self, gvr, new)
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
        deleted = garbage.delete_object(
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
        garbage.after_removal(self, gvr, last)
        return last

    # --- inside ----------------------------------------------------------------------------

    def _commit(
        self, event: Change, resource: ResourceType, new: Manifest, old: Manifest | None
    ) -> Manifest:
        stored = self.commit(event, resource, new, old)
        writes.committed(self, resource, new, deleted=event == "DELETED")
        return stored

    def _require_namespace(self, gvr: GVR, metadata: Manifest) -> None:
        name = metadata.get("namespace")
        if not name:
            raise bad_request("an empty namespace may not be set during creation")
        namespace = self.peek(NAMESPACES, "", name)
        if namespace is None:
            raise not_found(NAMESPACES, name)
        if "deletionTimestamp" in namespace["metadata"]:
            raise writes.namespace_terminating(gvr, metadata["name"], name)

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
