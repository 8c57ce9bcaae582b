"""The one way in which calls to the API server are repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bot.errors import OutcomeUnknownError, TemporaryError

T = TypeVar("T")

PAUSES = (0.1, 0.3, 0.9, 2.7)
"""Seconds between the attempts, where the other side states no wish of its own."""
LONGEST_SECONDS = 20.0


async def retried(call: Callable[[], Awaitable[T]]) -> T:
    """Await the call up to five times within 20 seconds while it fails temporarily.

    A change whose outcome is unknown is not repeated: the caller must look first.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LONGEST_SECONDS
    for pause in PAUSES:
        try:
            return await call()
        except OutcomeUnknownError:
            raise
        except TemporaryError as error:
            seconds = pause if error.retry_after is None else error.retry_after
            if loop.time() + seconds > deadline:
                raise
            await asyncio.sleep(seconds)
    return await call()
