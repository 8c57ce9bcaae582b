"""Time that moves only when every task waits for it, so that a week takes a second."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from tests.company.activity import Activity

T = TypeVar("T")

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class NothingLeftError(AssertionError):
    """Nobody waits for time, and what was waited for has not come."""


class VirtualClock:
    """Implements ``bot.core.clock.Clock``.

    Sleepers are woken one by one in the order in which they are due; between two of them every
    task runs as far as it can.
    """

    def __init__(self, activity: Activity | None = None, *, start: datetime = NOON) -> None:
        self.activity = activity or Activity()
        self._now = start
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._number = 0

    def now(self) -> datetime:
        """The present moment, in UTC."""
        return self._now

    def timestamp(self) -> float:
        """The same as seconds since the epoch."""
        return self._now.timestamp()

    async def sleep(self, seconds: float) -> None:
        """Wait until so much virtual time has passed."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._number += 1
        # Timedelta knows microseconds; a shorter sleep must still end later than now.
        span = max(timedelta(seconds=seconds), timedelta(microseconds=1))
        heapq.heappush(self._sleepers, (self._now + span, self._number, woken))
        await woken

    async def settle(self) -> None:
        """Let everything happen that needs no time."""
        await self.activity.settle()

    async def advance(self, seconds: float) -> None:
        """Let so many seconds pass."""
        await self.advance_to(self._now + timedelta(seconds=seconds))

    async def advance_to(self, moment: datetime) -> None:
        """Let time pass until this moment, and everything happen that falls due by then."""
        await self.settle()
        while (due := self._next()) is not None and due <= moment:
            await self._wake_first()
        self._now = max(self._now, moment)
        await self.settle()

    async def run_until(
        self, condition: Callable[[], T | None], *, within: timedelta = timedelta(hours=3)
    ) -> T:
        """The condition's first true value; time passes only while nothing else can happen.

        Raises NothingLeftError when nobody sleeps any more, TimeoutError when so much virtual
        time has passed.
        """
        deadline = self._now + within
        while True:
            await self.settle()
            if found := condition():
                return found
            due = self._next()
            if due is None:
                raise NothingLeftError(f"nothing happens any more at {self._now:%H:%M:%S}")
            if due > deadline:
                raise TimeoutError(f"did not happen within {within}")
            await self._wake_first()

    def _next(self) -> datetime | None:
        """When the next sleeper is due; sleepers that were cancelled are forgotten."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    async def _wake_first(self) -> None:
        due, _, woken = heapq.heappop(self._sleepers)
        self._now = max(self._now, due)
        woken.set_result(None)
        await self.settle()
