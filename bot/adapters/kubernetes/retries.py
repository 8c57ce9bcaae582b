"""The one way in which requests to the outside are repeated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from bot.adapters.clock import SystemClock
from bot.backoff import Backoff
from bot.backoff import retried as tried_again
from bot.errors import OutcomeUnknownError

T = TypeVar("T")

BACKOFF = Backoff(first=0.1, longest=2.7, factor=3.0)
ATTEMPTS = 5
PATIENCE = timedelta(seconds=20)


async def retried(call: Callable[[], Awaitable[T]]) -> T:
    """Await the call up to five times within 20 seconds while it fails temporarily.

    A change whose outcome is unknown is not repeated: the caller must look first.
    """
    return await tried_again(
        call,
        BACKOFF,
        clock=SystemClock(),
        patience=PATIENCE,
        attempts=ATTEMPTS,
        unless=(OutcomeUnknownError,),
    )
