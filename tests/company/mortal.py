"""A process that can be killed: from one moment on, nothing of it reaches the file or Slack."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.store.sqlite import SqliteStore
from tests.company.activity import Activity, CountedSlackClient

T = TypeVar("T")


class Life:
    """Whether a process lives, and at which point it is to die.

    Points are counted: «the third write», «after the answer to the fifth call».
    """

    def __init__(self) -> None:
        self.alive = True
        self.counts: dict[str, int] = {}
        self._dies_at: tuple[str, int] | None = None

    def die_at(self, point: str, number: int) -> None:
        """Die when this point is reached for the so-manieth time."""
        self._dies_at = (point, number)

    def reach(self, point: str) -> None:
        """A point on the way; the dead go no further."""
        if not self.alive:
            raise asyncio.CancelledError
        self.counts[point] = self.counts.get(point, 0) + 1
        if self._dies_at == (point, self.counts[point]):
            self.alive = False
            raise asyncio.CancelledError

    @contextmanager
    def around(self, what: str) -> Iterator[None]:
        """The points before and after something."""
        self.reach(f"before {what}")
        yield
        self.reach(f"after {what}")


class MortalStore(SqliteStore):
    """The real store; a transaction of a dead process never begins, or its end is never heard."""

    def __init__(self, *args: Any, life: Life) -> None:
        super().__init__(*args)
        self._life = life
        self._failures: list[Exception] = []

    def fail_next(self, error: Exception, *, times: int) -> None:
        """The next transactions fail, and change nothing."""
        self._failures = [error] * times

    async def append(self, *args: Any, **options: Any) -> int:
        """Count decisions, because each is a place where a process may end."""
        with self._life.around("append"):
            return await super().append(*args, **options)

    async def enqueue(self, *args: Any, **options: Any) -> None:
        """Owe deliveries that belong to no event."""
        with self._life.around("enqueue"):
            await super().enqueue(*args, **options)

    async def _leave(self) -> bool:
        """The dead take no leave; the system closes their files."""
        return self._life.alive and await super()._leave()

    async def _on_thread(self, job: Callable[[], T]) -> T:
        if self._failures:
            raise self._failures.pop()
        with self._life.around("transaction"):
            return await super()._on_thread(job)


class InlineStore(MortalStore):
    """The same store without a thread of its own, for long stories of many small transactions."""

    def __init__(self, activity: Activity, *args: Any, life: Life) -> None:
        super().__init__(*args, life=life)
        self._activity = activity

    async def _on_thread(self, job: Callable[[], T]) -> T:
        with self._activity.under_way(), self._life.around("transaction"):
            return job()

    async def close(self) -> None:
        """Close the file; the dead take no leave."""
        has_left = await self._leave()
        self._shut(has_left)


class MortalSlackClient(CountedSlackClient):
    """The real client; a call of a dead process is never made, or its answer is never heard."""

    def __init__(self, *args: Any, life: Life, **options: Any) -> None:
        super().__init__(*args, **options)
        self._life = life

    async def api_call(self, *args: Any, **options: Any) -> AsyncSlackResponse:
        """One call of the Web API."""
        with self._life.around("call"):
            return await super().api_call(*args, **options)
