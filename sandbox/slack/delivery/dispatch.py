"""Payloads to the app, over whichever transport is switched on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from sandbox.slack.base.faults import Faults
from sandbox.slack.base.model import Json

Envelope = Literal["slash_commands", "interactive", "events_api"]
RETRY_DELAYS = (0.0, 60.0, 300.0)  # seconds; docs.slack.dev/apis/events-api, "Retries"


@dataclass(frozen=True, kw_only=True)
class Payload:
    """Something that happened. `accepts_response`: the acknowledgement may carry content."""

    kind: Envelope
    body: Json
    accepts_response: bool = True


@dataclass(frozen=True, kw_only=True)
class Ack:
    """The app's acknowledgement, or the reason why there is none.

    `error` is what Slack shows a person: operation_timeout or dispatch_failed.
    `reason` is what a retry of an event names, such as http_timeout. `wants_retry` is False when
    the app asked for none (X-Slack-No-Retry).
    """

    status: int | None = None
    body: Any = None
    error: str | None = None
    reason: str | None = None
    wants_retry: bool = True

    @property
    def ok(self) -> bool:
        """Whether the app acknowledged in time."""
        return self.error is None


class Transport(Protocol):
    """A way to the app."""

    async def send(self, payload: Payload, *, attempt: int, reason: str | None) -> Ack:
        """Deliver once and wait for the acknowledgement."""
        ...


class Dispatcher:
    """Sends each payload once, or as often as the faults demand; retries events."""

    def __init__(self, *, faults: Faults, interactive: bool) -> None:
        self._interactive = interactive
        self._faults = faults
        self._tasks: set[asyncio.Task[Any]] = set()
        self.transport: Transport | None = None
        self.retry_delays: tuple[float, ...] = RETRY_DELAYS

    async def deliver(self, payload: Payload) -> Ack:
        """Deliver a command or an interaction: no retry, the person sees the failure."""
        if payload.kind == "interactive" and not self._interactive:
            return Ack(error="interactivity_not_enabled")
        copies = self._faults.take_copies()
        acks = await asyncio.gather(*(self._send(payload) for _ in range(copies)))
        return acks[0]

    def publish(self, payload: Payload) -> None:
        """Deliver an event in the background, with Slack's three retries."""
        for _ in range(self._faults.take_copies()):
            self.spawn(self._deliver_event(payload))

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run something in the background until `stop`."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Give up what is under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _deliver_event(self, payload: Payload) -> None:
        ack = await self._send(payload)
        for attempt, delay in enumerate(self.retry_delays, start=1):
            if ack.ok or not ack.wants_retry:
                return
            await asyncio.sleep(delay)
            ack = await self._send(payload, attempt=attempt, reason=ack.reason)

    async def _send(self, payload: Payload, *, attempt: int = 0, reason: str | None = None) -> Ack:
        if self.transport is None:
            return Ack(error="dispatch_failed", reason="connection_failed")
        return await self.transport.send(payload, attempt=attempt, reason=reason)
