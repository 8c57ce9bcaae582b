"""The tables, as a numbered list of migrations: never edit one that was released, add one.

Instants are integers: microseconds since 1970 in UTC. Values with a shape are JSON text.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from pydantic import TypeAdapter

from bot.core.errors import PermanentError
from bot.core.values import Facts

# One transaction as both databases see it, and how values become columns.
#
# Every transaction is written once, as a coroutine over a Session. PostgreSQL's session waits for
# the network; SQLite's never waits, so that its worker thread can run the coroutine straight
# through, without an event loop.

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


_TABLES = (
    # Numbers that are handed out: incident ids per year, the order of deliveries. The row's
    # lock also lets transactions that touch the queue go one after the other.
    "CREATE TABLE counters (name TEXT PRIMARY KEY, value BIGINT NOT NULL)",
    "INSERT INTO counters (name, value) VALUES ('deliveries', 0)",
    # The inbound requests that were carried out.
    "CREATE TABLE requests (id TEXT PRIMARY KEY, at BIGINT NOT NULL)",
    "CREATE INDEX requests_by_age ON requests (at)",
    """CREATE TABLE incidents (
        id TEXT PRIMARY KEY,
        number BIGINT NOT NULL,
        service TEXT NOT NULL,
        seq BIGINT NOT NULL,
        opened_at BIGINT NOT NULL,
        closed_at BIGINT
    )""",
    # The claim on a service: only one incident of it can be open.
    "CREATE UNIQUE INDEX incidents_open ON incidents (service) WHERE closed_at IS NULL",
    """CREATE INDEX incidents_open_by_age ON incidents (opened_at, number)
        WHERE closed_at IS NULL""",
    "CREATE INDEX incidents_by_age ON incidents (opened_at, number)",
    "CREATE INDEX incidents_by_service ON incidents (service, opened_at, number)",
    """CREATE TABLE events (
        incident_id TEXT NOT NULL REFERENCES incidents (id),
        seq BIGINT NOT NULL,
        at BIGINT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (incident_id, seq)
    )""",
    """CREATE TABLE attachments (
        incident_id TEXT NOT NULL REFERENCES incidents (id),
        name TEXT NOT NULL,
        media_type TEXT NOT NULL,
        content {blob} NOT NULL,
        PRIMARY KEY (incident_id, name)
    )""",
    # card is NULL for deliveries that are no card; incident_id is '' outside any incident.
    """CREATE TABLE deliveries (
        id TEXT PRIMARY KEY,
        ordinal BIGINT NOT NULL UNIQUE,
        incident_id TEXT NOT NULL,
        destination TEXT NOT NULL,
        card TEXT,
        body TEXT NOT NULL,
        state TEXT NOT NULL,
        attempts BIGINT NOT NULL DEFAULT 0,
        due_at BIGINT NOT NULL,
        unknown BOOLEAN NOT NULL DEFAULT FALSE,
        claimed_by TEXT,
        claimed_at BIGINT,
        settled_at BIGINT,
        receipt TEXT,
        error TEXT NOT NULL DEFAULT ''
    )""",
    # The queue stays small while the table grows, so what works on the queue has its own
    # indexes; SQLite uses one only where a statement repeats its condition word for word.
    """CREATE INDEX deliveries_pending ON deliveries (destination, ordinal)
        WHERE state IN ('owed', 'in_flight')""",
    """CREATE INDEX deliveries_owed_cards ON deliveries (ordinal)
        WHERE state = 'owed' AND card IS NOT NULL""",
    "CREATE INDEX deliveries_in_flight ON deliveries (claimed_at) WHERE state = 'in_flight'",
    "CREATE INDEX deliveries_by_incident ON deliveries (incident_id, ordinal)",
    """CREATE INDEX deliveries_by_card ON deliveries (destination, card, incident_id, ordinal)
        WHERE card IS NOT NULL""",
    # A lease that was given back keeps its row, so that its fence goes on rising.
    """CREATE TABLE leases (
        name TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        fence BIGINT NOT NULL,
        expires_at BIGINT NOT NULL
    )""",
    """CREATE TABLE documents (
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        body TEXT NOT NULL,
        expires_at BIGINT,
        PRIMARY KEY (kind, id)
    )""",
    """CREATE TABLE scrapes (
        service TEXT NOT NULL,
        instance TEXT NOT NULL,
        at BIGINT NOT NULL,
        release TEXT NOT NULL,
        born_at BIGINT NOT NULL,
        requests DOUBLE PRECISION NOT NULL,
        errors DOUBLE PRECISION NOT NULL,
        duration_sum DOUBLE PRECISION NOT NULL,
        duration_count DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (service, instance, at)
    )""",
    "CREATE INDEX scrapes_by_time ON scrapes (service, at)",
    "CREATE INDEX scrapes_by_age ON scrapes (at)",
)

_OWNERS = (
    # Who made itself known as living. home names the kernel or database server that keeps the
    # mark of its life: only there can it be told whether the owner still lives.
    "CREATE TABLE owners (name TEXT PRIMARY KEY, home TEXT NOT NULL)",
)

_READINGS = (
    # What a reading holds beside the counters of all services: histogram, business, saturation.
    "ALTER TABLE scrapes ADD COLUMN more TEXT NOT NULL DEFAULT '{}'",
)

Migration = Sequence[str]
"""The statements of one step; ``{blob}`` stands for the database's type for bytes."""

MIGRATIONS: tuple[Migration, ...] = (_TABLES, _OWNERS, _READINGS)
"""Migration number n stands at index n - 1."""


async def migrate(
    session: Session, *, blob: str, where: str, migrations: Sequence[Migration] = MIGRATIONS
) -> None:
    """Bring the tables up to date, all or nothing.

    The caller sees to it that no second process migrates at the same time. Raises PermanentError
    when a newer bot has written to the store named ``where``.
    """
    await session.rows(
        "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL PRIMARY KEY)"
    )
    found = await session.rows("SELECT MAX(version) AS version FROM schema_version")
    current: int = found[0]["version"] or 0
    if current > len(migrations):
        raise PermanentError(
            f"The store {where} has schema version {current},"
            f" but this bot knows only versions up to {len(migrations)}.",
            "Start the newer bot that wrote it, or point ROLLBACK_DATABASE_URL to another store.",
        )
    for version, statements in enumerate(migrations[current:], start=current + 1):
        for statement in statements:
            await session.rows(statement.replace("{blob}", blob))
        await session.rows(
            "INSERT INTO schema_version (version) VALUES (:version)", version=version
        )
