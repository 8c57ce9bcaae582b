"""Waiting for others: how long before what failed is tried again, and how long for an answer."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import TypeVar

from bot.core.clock import Clock
from bot.core.errors import RollbackBotError, TemporaryError

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Pauses that grow by a factor up to the longest, unless the other side asks for its own."""

    first: float
    """Seconds."""
    longest: float
    """Seconds; a pause that the other side asks for may be longer."""
    factor: float = 2.0
    longest_asked: float = math.inf
    """Seconds; a longer wish of the other side is cut down to this."""

    def pause(self, failures: int, asked: float | None = None) -> float:
        """Seconds to wait after so many failures in a row, from 1 on.

        ``asked``: the seconds that the other side asked us to wait, if it did.
        """
        if asked:
            return min(asked, self.longest_asked)
        # After a thousand failures the power would be no float any more.
        return min(self.first * self.factor ** min(failures - 1, 100), self.longest)

    def pauses(self) -> Iterator[float]:
        """The pause after each failure, without end."""
        return map(self.pause, count(1))


async def retried(
    call: Callable[[], Awaitable[T]],
    backoff: Backoff,
    *,
    clock: Clock,
    patience: timedelta = timedelta.max,
    attempts: int | None = None,
    unless: tuple[type[TemporaryError], ...] = (),
) -> T:
    """Await the call until it succeeds, so many times at most.

    Raises what it raises, and a TemporaryError when it is one of ``unless``, when the attempts
    are used up, or when the next one would come later than ``patience`` after the first.
    """
    start = clock.now()
    failures = 0
    while True:
        try:
            return await call()
        except unless:
            raise
        except TemporaryError as error:
            failures += 1
            pause = backoff.pause(failures, error.retry_after)
            if failures == attempts or clock.now() - start + timedelta(seconds=pause) > patience:
                raise
            await clock.sleep(pause)


async def within(limit: timedelta, work: Awaitable[T], source: str) -> T | RollbackBotError:
    """The answer, or the error as a value when it fails or takes longer than the limit."""
    try:
        async with asyncio.timeout(limit.total_seconds()):
            return await work
    except TimeoutError:
        return TemporaryError(f"{source} did not answer within {limit.total_seconds():g} s.")
    except RollbackBotError as error:
        return error
