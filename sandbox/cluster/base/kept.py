"""What the cluster keeps: objects by resource, their versions, and the log of every change.

The part of etcd: nothing here knows what a write is allowed to change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from sandbox.cluster.base.events import Change, Event, EventLog, Subscription
from sandbox.cluster.base.resources import ResourceCatalog, ResourceType
from sandbox.cluster.base.types import GVR, Manifest, clone


class KeptObjects:
    """Live objects, never to be changed by who looks at them."""

    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self.catalog = ResourceCatalog()
        self._clock = clock
        self._objects: dict[GVR, dict[tuple[str, str], Manifest]] = {}
        self._log = EventLog()
        self._revision = 0

    @property
    def resource_version(self) -> int:
        """The version of the whole store: that of its last write."""
        return self._revision

    def now(self) -> datetime:
        """The cluster's time."""
        return self._clock()

    def subscribe(self, *, after: int | None = None) -> Subscription:
        """Every change from now on, or later than resourceVersion `after` (410 when too old)."""
        return self._log.subscribe(after=after)

    def compact(self) -> None:
        """Forgets past events: a watch from before now gets 410 Gone."""
        self._log.compact()

    def peek(self, gvr: GVR, namespace: str | None, name: str) -> Manifest | None:
        """The stored object itself, or None."""
        return self._objects.get(gvr, {}).get((namespace or "", name))

    def stored(self, gvr: GVR, obj: Manifest) -> Manifest | None:
        """The stored object with this one's uid, or None when it is gone."""
        metadata = obj["metadata"]
        found = self.peek(gvr, metadata.get("namespace"), metadata["name"])
        return found if found and found["metadata"]["uid"] == metadata["uid"] else None

    def everything(self) -> Iterator[tuple[GVR, Manifest]]:
        """Every stored object with its resource."""
        for gvr, objects in self._objects.items():
            for obj in objects.values():
                yield gvr, obj

    def find_uid(self, uid: str) -> tuple[GVR, Manifest] | None:
        """The object with this uid."""
        return next(
            (found for found in self.everything() if found[1]["metadata"]["uid"] == uid), None
        )

    def commit(
        self, event: Change, resource: ResourceType, new: Manifest, old: Manifest | None
    ) -> Manifest:
        """Writes under the next resourceVersion, tells every watch, and returns a copy."""
        self._revision += 1
        metadata = new["metadata"]
        metadata["resourceVersion"] = str(self._revision)
        objects = self._objects.setdefault(resource.gvr, {})
        key = (metadata.get("namespace", ""), metadata["name"])
        if event == "DELETED":
            objects.pop(key, None)
        else:
            objects[key] = new
        self._log.publish(
            Event(
                type=event,
                gvr=resource.gvr,
                object=new,
                previous=old,
                resource_version=self._revision,
            )
        )
        return clone(new)
