"""A controller's hands on the store: every write carries the controller's name."""

from collections.abc import Callable
from datetime import datetime

from sandbox.cluster.base.errors import ApiError
from sandbox.cluster.base.selectors import matches_label_selector
from sandbox.cluster.base.store import ObjectStore
from sandbox.cluster.base.types import GVR, Manifest, clone
from sandbox.cluster.controllers.objects import (
    is_controlled_by,
    is_terminating,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    uid_of,
)


class Access:
    """Reads and writes as one field manager. A call never awaits, so a reconciliation is atomic."""

    def __init__(self, store: ObjectStore, manager: str = "kube-controller-manager") -> None:
        self._store = store
        self._manager = manager

    def now(self) -> datetime:
        return self._store.now()

    def get(self, gvr: GVR, namespace: str, name: str) -> Manifest | None:
        """A copy of the object, or None when there is none."""
        found = self._store.peek(gvr, namespace, name)
        return clone(found) if found is not None else None

    def find(self, gvr: GVR, namespace: str | None = None, *, labels: str = "") -> list[Manifest]:
        return self._store.list(gvr, namespace, labels=labels)

    def create(self, gvr: GVR, obj: Manifest) -> Manifest:
        return self._store.create(gvr, obj, manager=self._manager)

    def change(
        self,
        gvr: GVR,
        obj: Manifest,
        fn: Callable[[Manifest], None],
        *,
        subresource: str | None = None,
    ) -> Manifest:
        """Lets `fn` change the object as it is stored now; returns the result."""
        return self._store.mutate(
            gvr,
            namespace_of(obj),
            name_of(obj),
            fn,
            subresource=subresource,
            manager=self._manager,
        )

    def set_status(self, gvr: GVR, obj: Manifest, status: Manifest) -> Manifest:
        """Replaces the status; nothing is written when it is the same."""
        if (obj.get("status") or {}) == status:
            return obj

        def change(current: Manifest) -> None:
            current["status"] = status

        return self.change(gvr, obj, change, subresource="status")

    def delete(self, gvr: GVR, obj: Manifest) -> None:
        """Deletes this very object; one that has gone already is fine."""
        try:
            self._store.delete(
                gvr, namespace_of(obj), name_of(obj), preconditions={"uid": uid_of(obj)}
            )
        except ApiError as error:
            if error.reason not in {"NotFound", "Conflict"}:
                raise

    def owned(self, gvr: GVR, owner: Manifest) -> list[Manifest]:
        """The objects that the owner controls, after adopting and releasing.

        `ControllerRefManager`: orphans that the selector matches are adopted, owned ones that
        it no longer matches are released; an owner that is being deleted does neither.
        """
        selector = owner["spec"]["selector"]
        deleting = is_terminating(owner)
        kept = []
        for obj in self.find(gvr, namespace_of(owner)):
            matches = matches_label_selector(selector, labels_of(obj))
            if is_controlled_by(obj, owner):
                if matches or deleting:
                    kept.append(obj)
                else:
                    self._release(gvr, obj, owner)
            elif matches and not deleting and self._is_orphan(obj):
                kept.append(self._adopt(gvr, obj, owner))
        return kept

    @staticmethod
    def _is_orphan(obj: Manifest) -> bool:
        references = obj["metadata"].get("ownerReferences") or []
        return not is_terminating(obj) and not any(r.get("controller") for r in references)

    def _adopt(self, gvr: GVR, obj: Manifest, owner: Manifest) -> Manifest:
        def change(current: Manifest) -> None:
            current["metadata"].setdefault("ownerReferences", []).append(owner_reference(owner))

        return self.change(gvr, obj, change)

    def _release(self, gvr: GVR, obj: Manifest, owner: Manifest) -> None:
        def change(current: Manifest) -> None:
            references = current["metadata"]["ownerReferences"]
            current["metadata"]["ownerReferences"] = [
                r for r in references if r["uid"] != uid_of(owner)
            ]

        self.change(gvr, obj, change)
