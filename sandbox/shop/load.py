"""The customers: real requests at a steady rate, each with its outcome and its moment."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import Self

import aiohttp


class Outcome(StrEnum):
    """How a request ended for the customer."""

    SUCCESS = "success"
    HTTP_4XX = "http_4xx"
    HTTP_5XX = "http_5xx"
    REFUSED = "refused"
    RESET = "reset"
    TIMEOUT = "timeout"


@dataclass(frozen=True, kw_only=True)
class Request:
    """One finished request; `at` is when it was sent, `seconds` how long it took."""

    at: datetime
    outcome: Outcome
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What happened within a span of time."""

    by_outcome: dict[Outcome, int]

    @property
    def total(self) -> int:
        return sum(self.by_outcome.values())

    @property
    def succeeded(self) -> int:
        return self.by_outcome.get(Outcome.SUCCESS, 0)

    @property
    def failed(self) -> int:
        return self.total - self.succeeded

    @property
    def error_rate(self) -> float:
        """Fraction of requests that failed; 0 when there were none."""
        return self.failed / self.total if self.total else 0.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


class LoadGenerator:
    """Sends `rate_per_second` requests whatever the answers take (an open loop).

    A new connection for each request unless `keep_alive`. `request_timeout` is in seconds.
    """

    def __init__(
        self,
        url: str,
        rate_per_second: float,
        *,
        path: str = "/checkout",
        keep_alive: bool = False,
        request_timeout: float = 5.0,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._url = url.rstrip("/") + path
        self._rate = rate_per_second
        self._keep_alive = keep_alive
        self._timeout = aiohttp.ClientTimeout(total=request_timeout)
        self._clock = clock
        self._finished: list[Request] = []
        self._changed = asyncio.Event()
        self._answered = asyncio.Event()
        self._paused = False
        self._running: asyncio.Task[None] | None = None

    # --- life --------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Sends no more and drops what is under way; the counts stay."""
        running, self._running = self._running, None
        if running is None:
            return
        running.cancel()
        await asyncio.wait({running})
        if not running.cancelled() and (error := running.exception()):
            raise error

    # --- control -----------------------------------------------------------------------------

    def pause(self) -> None:
        """The customers stay away; requests under way are finished."""
        self._paused = True
        self._changed.set()

    def resume(self) -> None:
        self._paused = False
        self._changed.set()

    @property
    def rate_per_second(self) -> float:
        return self._rate

    @rate_per_second.setter
    def rate_per_second(self, rate: float) -> None:
        self._rate = rate
        self._changed.set()

    # --- results -----------------------------------------------------------------------------

    def requests(self, start: datetime | None = None, end: datetime | None = None) -> list[Request]:
        """Finished requests that were sent in [start, end), by the time they were sent."""
        chosen = [
            r
            for r in self._finished
            if (start is None or r.at >= start) and (end is None or r.at < end)
        ]
        return sorted(chosen, key=lambda r: r.at)

    def counts(self, start: datetime | None = None, end: datetime | None = None) -> Counts:
        """Outcomes of the requests that were sent in [start, end)."""
        return Counts(by_outcome=dict(Counter(r.outcome for r in self.requests(start, end))))

    async def until(
        self,
        predicate: Callable[[], bool],
        timeout: float = 10.0,  # noqa: ASYNC109 - the limit is part of what is asked for
    ) -> None:
        """Waits until the predicate holds, looking after every finished request.

        Raises TimeoutError after `timeout` seconds.
        """
        async with asyncio.timeout(timeout):
            while not predicate():
                await self._answered.wait()

    # --- inside ------------------------------------------------------------------------------

    async def _run(self) -> None:
        connector = aiohttp.TCPConnector(limit=0, force_close=not self._keep_alive)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=self._timeout) as session,
            asyncio.TaskGroup() as group,
        ):
            due = time.monotonic()
            while True:
                self._changed.clear()
                if self._paused or self._rate <= 0:
                    await self._changed.wait()
                    due = time.monotonic()
                    continue
                group.create_task(self._send(session))
                due += 1 / self._rate
                await self._wait_until(due)

    async def _wait_until(self, due: float) -> None:
        """Sleeps until the next request is due, or until the rate changes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, due - time.monotonic())):
                await self._changed.wait()

    async def _send(self, session: aiohttp.ClientSession) -> None:
        at, began = self._clock(), time.perf_counter()
        try:
            async with session.get(self._url) as response:
                await response.read()
            outcome = _of_status(response.status)
        except TimeoutError:
            outcome = Outcome.TIMEOUT
        except aiohttp.ClientConnectorError:
            outcome = Outcome.REFUSED
        except aiohttp.ClientError:
            outcome = Outcome.RESET
        seconds = time.perf_counter() - began
        self._finished.append(Request(at=at, outcome=outcome, seconds=seconds))
        self._answered.set()
        self._answered = asyncio.Event()


def _of_status(status: int) -> Outcome:
    if status >= 500:
        return Outcome.HTTP_5XX
    return Outcome.HTTP_4XX if status >= 400 else Outcome.SUCCESS
