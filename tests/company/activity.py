"""What is under way outside the event loop's own tasks: threads, and calls to Slack.

Virtual time may move only when nothing is: that is known by counting, not by waiting a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, TypeVar

from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.communication.slack.client import WireClient

T = TypeVar("T")

QUIET_ROUNDS = 10
"""Turns of the event loop without a new call: tasks that only talk to each other need fewer."""
STUCK_SECONDS = 20.0
"""Real time after which a call that does not return fails the test."""


class Activity:
    """Counts calls under way."""

    def __init__(self) -> None:
        self._running = 0
        self._begun = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Something that ends by itself, in real time."""
        self._running += 1
        self._begun += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._running -= 1
            if self._running == 0:
                self._idle.set()

    async def settle(self) -> None:
        """Return once every task waits for something that only time or a person can bring."""
        quiet = 0
        while quiet < QUIET_ROUNDS:
            begun = self._begun
            if self._running:
                async with asyncio.timeout(STUCK_SECONDS):
                    await self._idle.wait()
            await asyncio.sleep(0)
            quiet = quiet + 1 if begun == self._begun and not self._running else 0

    def watch_threads(self, loop: asyncio.AbstractEventLoop) -> None:
        """Count everything that this loop gives to a thread: the store, and the chart."""
        original: Callable[..., asyncio.Future[Any]] = loop.run_in_executor

        def counted(executor: Executor | None, job: Callable[..., T], *args: Any) -> Awaitable[T]:
            scope = self.under_way()
            scope.__enter__()
            future = original(executor, job, *args)
            future.add_done_callback(lambda _: scope.__exit__(None, None, None))
            return future

        vars(loop)["run_in_executor"] = counted


class CountedSlackClient(WireClient):
    """The real client; only tells when a call is under way."""

    def __init__(self, activity: Activity, **options: Any) -> None:
        super().__init__(**options)
        self._activity = activity

    async def api_call(self, *args: Any, **options: Any) -> AsyncSlackResponse:
        """One call of the Web API."""
        with self._activity.under_way():
            return await super().api_call(*args, **options)

    async def _upload_file(self, **options: Any) -> Any:
        with self._activity.under_way():
            return await super()._upload_file(**options)
