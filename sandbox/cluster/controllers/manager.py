"""Runs the controllers: store events become keys, keys are reconciled one at a time.

Each controller has its own queue, without duplicates, as `workqueue` has upstream.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from sandbox.cluster.base.errors import ApiError
from sandbox.cluster.base.store import ObjectStore
from sandbox.cluster.base.types import GVR, Manifest

_RETRY_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True, order=True)
class Key:
    """Which object to reconcile."""

    namespace: str
    name: str


KeysOf = Callable[[Manifest], Iterable[Key]]


class Controller(Protocol):
    """Brings one kind of object towards its specification."""

    @property
    def watches(self) -> Mapping[GVR, KeysOf]:
        """For each resource it looks at: which keys a change of one object concerns."""

    def reconcile(self, key: Key) -> timedelta | None:
        """One step towards the goal; when to look again even if nothing happens."""


class WorkQueue:
    """Keys to reconcile, each at most once, now or later. Belongs to a running loop."""

    def __init__(self) -> None:
        self._waiting: dict[Key, None] = {}
        self._added = asyncio.Event()
        self._timers: dict[Key, asyncio.TimerHandle] = {}

    def add(self, key: Key) -> None:
        self._waiting[key] = None
        self._added.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Adds the key later; an earlier wish of the same key is replaced."""
        if timer := self._timers.pop(key, None):
            timer.cancel()
        self._timers[key] = asyncio.get_running_loop().call_later(seconds, self._due, key)

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def next(self) -> Key:
        while not self._waiting:
            self._added.clear()
            await self._added.wait()
        key = next(iter(self._waiting))
        del self._waiting[key]
        return key

    def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()


class ControllerManager:
    """Feeds and runs the controllers until cancelled."""

    def __init__(self, store: ObjectStore, controllers: Iterable[Controller]) -> None:
        self._store = store
        self._controllers = [(controller, WorkQueue()) for controller in controllers]

    async def run(self) -> None:
        """Runs until cancelled; a bug in a controller ends it with that exception."""
        subscription = self._store.subscribe()
        try:
            self._enqueue_existing()
            async with asyncio.TaskGroup() as group:
                for controller, queue in self._controllers:
                    group.create_task(self._work(controller, queue))
                async for event in subscription:
                    self._enqueue(event.gvr, event.object)
                    if event.previous is not None:
                        self._enqueue(event.gvr, event.previous)
        finally:
            subscription.close()
            for _, queue in self._controllers:
                queue.close()

    def _enqueue_existing(self) -> None:
        for gvr, obj in list(self._store.everything()):
            self._enqueue(gvr, obj)

    def _enqueue(self, gvr: GVR, obj: Manifest) -> None:
        for controller, queue in self._controllers:
            if keys_of := controller.watches.get(gvr):
                for key in keys_of(obj):
                    queue.add(key)

    async def _work(self, controller: Controller, queue: WorkQueue) -> None:
        while True:
            key = await queue.next()
            try:
                again = controller.reconcile(key)
            except ApiError:
                # Someone else's write or a rule of the API stood in the way: as upstream,
                # the key comes back a moment later.
                queue.add_after(key, _RETRY_SECONDS)
                continue
            if again is not None:
                queue.add_after(key, max(0.0, again.total_seconds()))
            # A controller that finds work without end must not starve the others.
            await asyncio.sleep(0)


def own_key(obj: Manifest) -> list[Key]:
    """The object itself."""
    return [Key(namespace=obj["metadata"].get("namespace", ""), name=obj["metadata"]["name"])]


def owner_key(kind: str) -> KeysOf:
    """The controlling owner, when it is of this kind."""

    def keys(obj: Manifest) -> list[Key]:
        namespace = obj["metadata"].get("namespace", "")
        return [
            Key(namespace=namespace, name=reference["name"])
            for reference in obj["metadata"].get("ownerReferences") or []
            if reference.get("controller") and reference["kind"] == kind
        ]

    return keys
