"""Core/v1 Events about objects, counted up when the same thing happens again."""

import contextlib
import hashlib

from sandbox.cluster.base.errors import ApiError
from sandbox.cluster.base.resources import EVENTS
from sandbox.cluster.base.store import ObjectStore
from sandbox.cluster.base.types import Manifest, rfc3339
from sandbox.cluster.controllers.objects import name_of, namespace_of, uid_of


class EventRecorder:
    """Records events as one component, e.g. `deployment-controller` or `kubelet`.

    `host` is the node that the component runs on, where it runs on one.
    """

    def __init__(self, store: ObjectStore, component: str, *, host: str = "") -> None:
        self._store = store
        self._source = {"component": component, **({"host": host} if host else {})}

    def normal(self, about: Manifest, reason: str, message: str) -> None:
        self._record(about, "Normal", reason, message)

    def warning(self, about: Manifest, reason: str, message: str) -> None:
        self._record(about, "Warning", reason, message)

    def _record(self, about: Manifest, kind: str, reason: str, message: str) -> None:
        namespace = namespace_of(about) or "default"
        identity = "\n".join([uid_of(about), self._source["component"], kind, reason, message])
        digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
        name = f"{name_of(about)}.{digest}"
        now = rfc3339(self._store.now())
        if self._store.peek(EVENTS, namespace, name) is not None:

            def again(event: Manifest) -> None:
                event["count"] = int(event["count"]) + 1
                event["lastTimestamp"] = now

            self._store.mutate(EVENTS, namespace, name, again, manager=self._source["component"])
            return
        event = {
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "namespace": namespace_of(about),
                "name": name_of(about),
                "uid": uid_of(about),
                "resourceVersion": about["metadata"].get("resourceVersion", ""),
            },
            "type": kind,
            "reason": reason,
            "message": message,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": self._source,
            "reportingComponent": self._source["component"],
            "reportingInstance": self._source.get("host", ""),
        }
        # As upstream, an event is best effort: a namespace that is ending takes no new ones.
        with contextlib.suppress(ApiError):
            self._store.create(EVENTS, event, manager=self._source["component"])
