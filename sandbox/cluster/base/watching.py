"""The watch verb: a stream of changes, one JSON document a line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from typing import Any

from sandbox.cluster.base import conversion
from sandbox.cluster.base.calls import Call
from sandbox.cluster.base.errors import ApiError, bad_request
from sandbox.cluster.base.events import Event, Subscription
from sandbox.cluster.base.requests import flag, number
from sandbox.cluster.base.selectors import parse_fields, parse_labels
from sandbox.cluster.base.store import ObjectStore
from sandbox.cluster.base.types import Manifest

DEFAULT_TIMEOUT_SECONDS = 1800
BOOKMARK_INTERVAL = timedelta(seconds=60)
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


def matcher(call: Call) -> Callable[[Manifest], bool]:
    """Whether an object is among those that the call's selectors and namespace choose."""
    labels = parse_labels(call.query.get("labelSelector", ""))
    fields = parse_fields(call.query.get("fieldSelector", ""), call.resource.stored_as)
    namespace, name = call.info.namespace, call.info.name

    def matches(obj: Manifest) -> bool:
        metadata = obj["metadata"]
        if namespace and call.resource.namespaced and metadata.get("namespace") != namespace:
            return False
        if name and metadata["name"] != name:
            return False
        return all(holds(metadata.get("labels") or {}) for holds in labels) and all(
            holds(obj) for holds in fields
        )

    return matches


class Watch:
    """One watch: first what exists if the client asks for it, then every change."""

    def __init__(self, store: ObjectStore, call: Call) -> None:
        self._store = store
        self._call = call
        self._matches = matcher(call)
        self._bookmarks = flag(call.query, "allowWatchBookmarks")
        self._initial_events = flag(call.query, "sendInitialEvents")
        self._since = call.query.get("resourceVersion", "")
        self._deadline_seconds = number(call.query, "timeoutSeconds") or DEFAULT_TIMEOUT_SECONDS
        if self._since and not self._since.isdigit():
            raise bad_request(f'Invalid value: "{self._since}": resourceVersion')

    async def events(self) -> AsyncGenerator[Manifest, None]:
        """`{"type": …, "object": …}` documents until the time is up."""
        from_start = self._since in {"", "0"} or self._initial_events
        try:
            after = None if from_start else int(self._since)
            subscription = self._store.subscribe(after=after)
        except ApiError as error:
            yield {"type": "ERROR", "object": error.to_status()}
            return
        try:
            if from_start:
                for document in self._existing():
                    yield document
            async for document in self._changes(subscription):
                yield document
        finally:
            subscription.close()

    def _existing(self) -> list[Manifest]:
        found = self._store.list(self._call.resource.stored_as)
        documents = [self._document("ADDED", obj) for obj in found if self._matches(obj)]
        if self._initial_events and self._bookmarks:
            documents.append(self._bookmark({INITIAL_EVENTS_END: "true"}))
        return documents

    async def _changes(self, subscription: Subscription) -> AsyncGenerator[Manifest, None]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._deadline_seconds
        while (left := deadline - loop.time()) > 0:
            wait = min(left, BOOKMARK_INTERVAL.total_seconds())
            try:
                event = await asyncio.wait_for(anext(subscription), wait)
            except TimeoutError:
                if self._bookmarks and left > wait and not subscription.pending():
                    yield self._bookmark({})
                continue
            except StopAsyncIteration:
                return
            document = self._translate(event)
            if document is not None:
                yield document

    def _translate(self, event: Event) -> Manifest | None:
        """The change as this watch sees it: an object may come into its selection or leave it."""
        if event.gvr != self._call.resource.stored_as:
            return None
        now = event.type != "DELETED" and self._matches(event.object)
        before = event.previous is not None and self._matches(event.previous)
        if not now and not before:
            return None
        if now:
            return self._document("MODIFIED" if before else "ADDED", event.object)
        last = event.object
        if event.type != "DELETED" and event.previous is not None:
            version = event.object["metadata"]["resourceVersion"]
            metadata = {**event.previous["metadata"], "resourceVersion": version}
            last = {**event.previous, "metadata": metadata}
        return self._document("DELETED", last)

    def _document(self, kind: str, obj: Manifest) -> Manifest:
        return {"type": kind, "object": conversion.to_served(self._call.resource, obj)}

    def _bookmark(self, annotations: dict[str, Any]) -> Manifest:
        metadata: Manifest = {
            "resourceVersion": str(self._store.resource_version),
            "creationTimestamp": None,
        }
        if annotations:
            metadata["annotations"] = annotations
        resource = self._call.resource
        return {
            "type": "BOOKMARK",
            "object": {
                "kind": resource.kind,
                "apiVersion": resource.gvr.api_version,
                "metadata": metadata,
            },
        }
