"""Tells the parts of this process that an incident has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from bot.domain.incident import Incident

log = structlog.get_logger()

Listener = Callable[[Incident], None]


class Changes:
    """A hub: listeners are called at once, waiters are woken when their condition holds."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._waiters: list[tuple[str, Callable[[Incident], bool], asyncio.Future[Incident]]] = []

    def listen(self, listener: Listener) -> None:
        """Call a listener after every change; it must not block."""
        self._listeners.append(listener)

    def notify(self, incident: Incident) -> None:
        """An incident has a new state."""
        for listener in self._listeners:
            try:
                listener(incident)
            except Exception:
                # What has changed is written: neither whoever wrote it nor the others may suffer.
                log.exception("a listener failed", incident=incident.id)
        for incident_id, condition, future in self._waiters:
            if incident_id == incident.id and not future.done() and condition(incident):
                future.set_result(incident)

    async def wait(
        self, incident: Incident, condition: Callable[[Incident], bool], *, seconds: float
    ) -> Incident:
        """The first later state that fulfils the condition.

        Raises TimeoutError after so many seconds.
        """
        if condition(incident):
            return incident
        future: asyncio.Future[Incident] = asyncio.get_running_loop().create_future()
        waiter = (incident.id, condition, future)
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(seconds):
                return await future
        finally:
            self._waiters.remove(waiter)
