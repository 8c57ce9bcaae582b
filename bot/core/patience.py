"""A limit for everything that is asked of others: a question must not hold an incident up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import TypeVar

from bot.core.errors import RollbackBotError, TemporaryError

T = TypeVar("T")


async def within(limit: timedelta, work: Awaitable[T], source: str) -> T | RollbackBotError:
    """The answer, or the error as a value when it fails or takes longer than the limit."""
    try:
        async with asyncio.timeout(limit.total_seconds()):
            return await work
    except TimeoutError:
        return TemporaryError(f"{source} did not answer within {limit.total_seconds():g} s.")
    except RollbackBotError as error:
        return error
