"""One transaction as both databases see it, and how values become columns.

Every transaction is written once, as a coroutine over a Session. PostgreSQL's session waits for
the network; SQLite's never waits, so that its worker thread can run the coroutine straight
through, without an event loop.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from pydantic import TypeAdapter

from bot.domain.values import Facts

P = ParamSpec("P")
T = TypeVar("T")

Param = str | int | float | bool | bytes | None
"""What both databases take as a parameter and give back unchanged."""

Row = Mapping[str, Any]
"""A row by the names of its columns."""


class Session(ABC):
    """An open transaction. Parameters are written ``:name`` in the SQL of both databases."""

    @abstractmethod
    async def rows(self, sql: str, /, **params: Param) -> Sequence[Row]:
        """Run one statement; the rows it returns, if any."""

    @abstractmethod
    async def many(self, sql: str, params: Sequence[Mapping[str, Param]], /) -> None:
        """Run one statement once for each set of parameters."""


Work = Callable[[Session], Coroutine[Any, Any, T]]
"""What a transaction does; it may be called again, so it changes nothing but the database."""


class Transactions(ABC):
    """What runs transactions: one of the two databases."""

    @abstractmethod
    async def _read(self, work: Work[T]) -> T:
        """Run a transaction that changes nothing."""

    @abstractmethod
    async def _write(self, work: Work[T]) -> T:
        """Run a transaction: all of it is durable on return, or nothing has happened."""


D = TypeVar("D", bound=Transactions)

Inside = Callable[Concatenate[D, Session, P], Coroutine[Any, Any, T]]
Outside = Callable[Concatenate[D, P], Coroutine[Any, Any, T]]


def reads(work: Inside[D, P, T]) -> Outside[D, P, T]:
    """A method that is one transaction, and changes nothing; its callers give no session."""

    @wraps(work)
    async def method(self: D, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._read(lambda session: work(self, session, *args, **kwargs))

    return method


def writes(work: Inside[D, P, T]) -> Outside[D, P, T]:
    """A method that is one transaction; its callers give no session."""

    @wraps(work)
    async def method(self: D, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._write(lambda session: work(self, session, *args, **kwargs))

    return method


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

FACTS: TypeAdapter[Facts] = TypeAdapter(Facts)


def micros(at: datetime) -> int:
    """Microseconds since 1970 in UTC: exact, and ordered alike in both databases."""
    return (at - _EPOCH) // _MICROSECOND


def instant(stored: int) -> datetime:
    """The moment that ``micros`` stored, in UTC."""
    return _EPOCH + stored * _MICROSECOND
