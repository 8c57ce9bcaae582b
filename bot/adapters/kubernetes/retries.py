"""The one way in which calls to the API server are repeated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import stamina

from bot.errors import OutcomeUnknownError, TemporaryError

T = TypeVar("T")

_retrying = stamina.AsyncRetryingCaller(
    attempts=5, timeout=20.0, wait_initial=0.1, wait_max=3.0, wait_jitter=0.2
)


def _worth_repeating(error: Exception) -> bool | float:
    """Temporary trouble is; with the other side's wish where it stated one.

    A change whose outcome is unknown is not: the caller must look first.
    """
    if not isinstance(error, TemporaryError) or isinstance(error, OutcomeUnknownError):
        return False
    return True if error.retry_after is None else error.retry_after


async def retried(call: Callable[[], Awaitable[T]]) -> T:
    """Await the call up to five times within 20 seconds while it fails temporarily."""
    return await _retrying(_worth_repeating, call)
