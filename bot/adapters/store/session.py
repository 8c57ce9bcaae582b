"""One transaction as both databases see it.

Every transaction is written once, as a coroutine over a Session. PostgreSQL's session waits for
the network; SQLite's never waits, so that its worker thread can run the coroutine straight
through, without an event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

Param = str | int | float | bool | bytes | None
"""What both databases take as a parameter and give back unchanged."""

Row = Mapping[str, Any]
"""A row by the names of its columns."""


class Session(Protocol):
    """An open transaction. Parameters are written ``:name`` in the SQL of both databases."""

    async def rows(self, sql: str, /, **params: Param) -> Sequence[Row]:
        """Run one statement; the rows it returns, if any."""

    async def many(self, sql: str, params: Sequence[Mapping[str, Param]], /) -> None:
        """Run one statement once for each set of parameters."""


Work = Callable[[Session], Coroutine[Any, Any, T]]
"""What a transaction does; it may be called again, so it changes nothing but the database."""


def run_through(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits, here and now."""
    try:
        work.send(None)
    except StopIteration as finished:
        result: T = finished.value
        return result
    work.close()
    raise RuntimeError("A transaction waited for something outside its session.")
