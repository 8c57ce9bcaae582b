"""The shared store: PostgreSQL, for several replicas of the bot. Needs the extra ``postgres``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import DictRow

from bot.adapters.store import advisory_lock
from bot.adapters.store.advisory_lock import AdvisoryLock
from bot.adapters.store.postgres_connections import Connections
from bot.adapters.store.schema import migrate
from bot.adapters.store.session import Param, Row, Session, T, Work
from bot.adapters.store.sql_store import SqlStore

_MIGRATION_LOCK = 7_265_746_261_636_831
"""The advisory lock under which replicas migrate one after the other: any number of our own."""


@lru_cache(maxsize=256)
def _in_psycopg(sql: str) -> bytes:
    """``:name`` as ``%(name)s``; nothing in our SQL needs ``::`` or a literal ``%``."""
    return re.sub(r":([a-z_]+)", r"%(\1)s", sql).encode()


class PostgresSession:
    """A transaction on a connection."""

    def __init__(self, connection: AsyncConnection[DictRow]) -> None:
        self._connection = connection

    async def rows(self, sql: str, /, **params: Param) -> Sequence[Row]:
        cursor: AsyncCursor[DictRow] = await self._connection.execute(
            _in_psycopg(sql), params or None
        )
        return await cursor.fetchall() if cursor.description else ()

    async def many(self, sql: str, params: Sequence[Mapping[str, Param]], /) -> None:
        if params:
            async with self._connection.cursor() as cursor:
                await cursor.executemany(_in_psycopg(sql), params)


class PostgresStore(SqlStore):
    """A durable store that many processes may share.

    Transactions run at READ COMMITTED and lock the rows that they decide on: an incident by
    writing its number, a service by its unique index, a lease and the queue by their rows.
    """

    def __init__(self, url: str, *, connections: int = 4, patience: float = 10.0) -> None:
        """``connections``: how many transactions may run at once in this process.
        ``patience``: seconds to wait for an owner's name that another process has.

        Raises ConfigurationError when the URL cannot be read.
        """
        super().__init__()
        self._connections = Connections(url, limit=connections)
        self._lock = AdvisoryLock(self._connections, patience=patience, taken_again=self.register)

    async def start(self) -> None:
        """Connect, and create or migrate the tables.

        Raises PermanentError when the server refuses, TemporaryError when it does not answer.
        """
        where = self._connections.where

        async def prepare(session: Session) -> None:
            await session.rows("SELECT pg_advisory_xact_lock(:lock)", lock=_MIGRATION_LOCK)
            await migrate(session, blob="BYTEA", where=where)

        self._connections.open()
        try:
            await self._write(prepare)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Leave, and close every connection; harmless when repeated."""
        try:
            await self._lock.release()
            await self._leave()
        finally:
            await self._connections.close()

    async def bury(self, *, now: datetime) -> tuple[str, ...]:
        """Free what registered owners hold that are provably dead; returns their names.

        A process whose connection for the lock breaks takes the lock again at once, and buries
        nobody for some seconds: what happened to it may have happened to others.
        """
        return await super().bury(now=now) if self._lock.is_settled else ()

    async def _show_life(self, owner: str) -> str | None:
        return await self._lock.hold(owner)

    async def _home(self, session: Session) -> str:
        home: str = (await session.rows(advisory_lock.HOME))[0]["home"]
        return home

    async def _is_dead(self, session: Session, owner: str) -> bool:
        # Held until the transaction ends: of several that bury, the others see it taken.
        rows = await session.rows(
            "SELECT pg_try_advisory_xact_lock(:key) AS is_free", key=advisory_lock.key(owner)
        )
        is_free: bool = rows[0]["is_free"]
        return is_free

    async def _read(self, work: Work[T]) -> T:
        return await self._write(work)

    async def _write(self, work: Work[T]) -> T:
        async with self._connections.transaction() as connection:
            return await work(PostgresSession(connection))
