"""What happened to stored objects, kept for a while so that a watch can start in the past."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sandbox.cluster.base.errors import gone
from sandbox.cluster.base.types import GVR, Manifest

Change: TypeAlias = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """One change. `object` and `previous` are shared between readers: clone before changing."""

    type: Change
    gvr: GVR
    object: Manifest
    previous: Manifest | None
    resource_version: int


class Subscription(AsyncIterator[Event]):
    """Events from a moment on, in order; ends after `close`."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._closed = False

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Event:
        event = await self._queue.get()
        if event is None:
            raise StopAsyncIteration
        return event

    def put(self, event: Event) -> None:
        """Hands over an event; the log calls this."""
        self._queue.put_nowait(event)

    def pending(self) -> int:
        """How many events wait to be read."""
        return self._queue.qsize()

    def close(self) -> None:
        """Stops the flow; a reader that waits is released."""
        if not self._closed:
            self._closed = True
            self._log.unsubscribe(self)
            self._queue.put_nowait(None)


class EventLog:
    """The last `capacity` events and who wants the next ones."""

    def __init__(self, *, capacity: int = 10_000) -> None:
        self._history: deque[Event] = deque(maxlen=capacity)
        self._forgotten = 0
        self._subscriptions: set[Subscription] = set()

    def publish(self, event: Event) -> None:
        """Records the event and hands it to every subscription."""
        if len(self._history) == self._history.maxlen:
            self._forgotten = self._history[0].resource_version
        self._history.append(event)
        for subscription in self._subscriptions:
            subscription.put(event)

    def subscribe(self, *, after: int | None = None) -> Subscription:
        """Events later than resourceVersion `after` (None: from now); 410 when too old."""
        if after is not None and after < self._forgotten:
            raise gone(f"too old resource version: {after} ({self._forgotten})")
        subscription = Subscription(self)
        if after is not None:
            for event in self._history:
                if event.resource_version > after:
                    subscription.put(event)
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Hands nothing more to this subscription."""
        self._subscriptions.discard(subscription)

    def compact(self) -> None:
        """Forgets the history, as etcd's compaction does: older watches get 410."""
        if self._history:
            self._forgotten = self._history[-1].resource_version
            self._history.clear()
