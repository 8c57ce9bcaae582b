"""Waiting for the workspace to change, without polling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Changes:
    """Wakes every waiter at every change of state. Belongs to one event loop."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def fire(self) -> None:
        """Say that something changed."""
        self._next.set()
        self._next = asyncio.Event()

    async def wait_for(self, predicate: Callable[[], T | None], *, timeout: float) -> T:  # noqa: ASYNC109 - part of the API
        """Return the first truthy value of `predicate`, asked again at every change.

        Raises TimeoutError after `timeout` seconds.
        """
        async with asyncio.timeout(timeout):
            while True:
                next_change = self._next
                if value := predicate():
                    return value
                await next_change.wait()
