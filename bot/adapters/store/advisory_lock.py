"""The mark of life in PostgreSQL: a session's advisory lock on a connection of its own.

The server gives it up when the session ends, at once when the process is killed
(https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS).
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from typing import LiteralString

import structlog
from psycopg import AsyncConnection, Error
from psycopg.errors import LockNotAvailable
from psycopg.rows import DictRow

from bot.adapters.store.postgres_connections import Connections
from bot.adapters.store.postgres_errors import explained
from bot.errors import PermanentError, RollbackBotError

log = structlog.get_logger()

_Connection = AsyncConnection[DictRow]

AFTERMATH_SECONDS = 10.0
"""When our connection broke, those of others may have broken, too: so long we bury nobody."""
_AGAIN_SECONDS = 0.5

HOME = "SELECT CAST(extract(epoch FROM pg_postmaster_start_time()) AS TEXT) AS home"
"""A restarted server knows nothing of the locks before."""

# A process that only lost the network keeps its lock for longer than any lease or claim lives
# (30 + 4 * 10 seconds), so that it is never worse off than without. The second works on every
# version: the setting is new in PostgreSQL 14.
_SESSION = (
    b"SET tcp_keepalives_idle = 30",
    b"SET tcp_keepalives_interval = 10",
    b"SET tcp_keepalives_count = 4",
    b"SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'",
)


def key(owner: str) -> int:
    """The lock of an owner: 64 bits, the same in every version of the bot."""
    digest = hashlib.sha256(f"rollback-bot/owner/{owner}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


class AdvisoryLock:
    """Holds the lock of one owner, and takes it again when its connection breaks."""

    def __init__(
        self,
        connections: Connections,
        *,
        patience: float,
        taken_again: Callable[[str], Awaitable[None]],
    ) -> None:
        """``patience``: after so many seconds the one who has the lock is alive.

        ``taken_again`` is told the owner when the lock was lost and is held once more.
        """
        self._connections = connections
        self._patience = patience
        self._taken_again = taken_again
        self._connection: _Connection | None = None
        self._watching: asyncio.Task[None] | None = None
        self._home = ""
        self._lost_at = float("-inf")

    @property
    def is_settled(self) -> bool:
        """Whether nothing suggests that the server has just dropped everybody's locks."""
        return time.monotonic() - self._lost_at > AFTERMATH_SECONDS

    async def hold(self, owner: str) -> str | None:
        """Hold the lock until ``release`` or the end of the process; harmless when repeated.

        Returns the server's home, None when a pooler stands between us and the server: then the
        session is not ours. Raises PermanentError when another living process has the name.
        """
        if self._watching is None:
            self._connection = await self._take(owner)
            if self._connection is None:
                log.warning("a pooler hides whether this process lives", owner=owner)
                return None
            self._watching = asyncio.create_task(self._watch(owner), name=f"lock of {owner}")
        return self._home

    async def release(self) -> None:
        """Give up the lock and its connection; harmless when repeated."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _take(self, owner: str, *, again: bool = False) -> _Connection | None:
        connection = await self._connections.connect()
        try:
            for statement in _SESSION:
                await connection.execute(statement)
            session = await _one(connection, "SELECT pg_backend_pid() AS pid")
            # A pooler invents the number that it announces.
            if session["pid"] != connection.info.backend_pid:
                await connection.close()
                return None
            # Again, without limit: in the queue behind our own old session, until the server
            # gives that up, so that nobody can come between the two.
            wait = 0 if again else max(1, round(self._patience * 1000))
            await connection.execute("SELECT set_config('lock_timeout', %s, false)", [str(wait)])
            await connection.execute("SELECT pg_advisory_lock(%s)", [key(owner)])
            self._home = (await _one(connection, HOME))["home"]
        except BaseException as error:
            await connection.close()
            if isinstance(error, LockNotAvailable):
                raise PermanentError(
                    f"Another living process works on the store as {owner}.",
                    "Stop it, or give each process its own name.",
                ) from error
            if isinstance(error, Error):
                raise explained(error, self._connections.where, unconfirmed=False) from error
            raise
        return connection

    async def _watch(self, owner: str) -> None:
        while self._connection is not None:
            await _until_broken(self._connection)
            log.warning("lost the connection that shows this process alive", owner=owner)
            self._lost_at = time.monotonic()
            await self._connection.close()
            while True:
                if await self._take_again(owner):
                    break
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _take_again(self, owner: str) -> bool:
        try:
            connection = await self._take(owner, again=True)
            if connection is None:
                return False
            # At once ours to close, whatever comes now.
            self._connection = connection
            await self._taken_again(owner)
        except (RollbackBotError, Error) as error:
            log.warning("cannot show this process alive", owner=owner, error=str(error))
            if self._connection is not None:
                await self._connection.close()
            return False
        return True


async def _until_broken(connection: _Connection) -> None:
    """Return when the connection has ended: nothing else is ever sent on it for long."""
    loop = asyncio.get_running_loop()
    while True:
        readable = asyncio.Event()
        descriptor = connection.fileno()
        loop.add_reader(descriptor, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(descriptor)
        try:
            await connection.execute("SELECT 1")
        except Error:
            return


async def _one(connection: _Connection, sql: LiteralString) -> DictRow:
    row = await (await connection.execute(sql)).fetchone()
    if row is None:
        raise RuntimeError(f"No row came from: {sql}")
    return row
