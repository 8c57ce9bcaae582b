"""The shared store: PostgreSQL, for several replicas of the bot. Needs the extra ``postgres``."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import lru_cache

import structlog
from psycopg import (
    AsyncConnection,
    AsyncCursor,
    Error,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import DiskFull, InsufficientPrivilege, ReadOnlySqlTransaction, UndefinedTable
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row

from bot.core.errors import (
    ConfigurationError,
    ForbiddenError,
    OutcomeUnknownError,
    PermanentError,
    RollbackBotError,
    TemporaryError,
)
from bot.store.schema import Param, Row, Session, T, Work, migrate
from bot.store.store import Store, Untouched

log = structlog.get_logger()

_Connection = AsyncConnection[DictRow]


@lru_cache(maxsize=256)
def _in_psycopg(sql: str) -> bytes:
    """``:name`` as ``%(name)s``; nothing in our SQL needs ``::`` or a literal ``%``."""
    return re.sub(r":([a-z_]+)", r"%(\1)s", sql).encode()


class PostgresSession(Session):
    """A transaction on a connection."""

    def __init__(self, connection: _Connection) -> None:
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


_MIGRATION_LOCK = 7_265_746_261_636_831
"""The advisory lock under which replicas migrate one after the other: any number of our own."""

AFTERMATH_SECONDS = 10.0
"""When our connection broke, those of others may have broken, too: so long we bury nobody."""
_AGAIN_SECONDS = 0.5

# A restarted server knows nothing of the sessions before.
_STARTED = "CAST(extract(epoch FROM pg_postmaster_start_time()) AS TEXT)"

# A process that only lost the network keeps its session for longer than any lease or claim lives
# (30 + 4 * 10 seconds), so that it is never worse off than without. The last one is new in
# PostgreSQL 14.
_LASTING = b"""SELECT set_config(name, value, false) FROM (VALUES
    ('tcp_keepalives_idle', '30'), ('tcp_keepalives_interval', '10'),
    ('tcp_keepalives_count', '4'), ('idle_session_timeout', '0')) AS ours (name, value)
WHERE name IN (SELECT name FROM pg_settings)"""


class PostgresStore(Store):
    """A durable store that many processes may share.

    Transactions run at READ COMMITTED and lock the rows that they decide on: an incident by
    writing its number, a service by its unique index, a lease and the queue by their rows.
    """

    def __init__(self, url: str, *, connections: int = 4, patience: float = 10.0) -> None:
        """``connections``: how many transactions may run at once in this process.
        ``patience``: seconds to wait for an owner's name that another process has.

        Raises ConfigurationError when the URL cannot be read.
        """
        super().__init__(patience=patience)
        self._connections = _Connections(url, limit=connections)
        # The session that shows this process alive, its home, and what watches over it.
        self._mark: tuple[_Connection, str] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._lost_at = float("-inf")

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
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        try:
            await self._leave()
        finally:
            await self._lose_mark()
            await self._connections.close()

    async def register(self, owner: str) -> None:
        """Make this process known as living, and again whenever its session ends."""
        await super().register(owner)
        if self._mark and self._watching is None:
            self._watching = asyncio.create_task(self._watch(owner), name=f"life of {owner}")

    async def bury(self) -> tuple[str, ...]:
        """Free what registered owners hold that are provably dead; returns their names, sorted.

        A process whose own session ended shows itself alive by another at once, and buries
        nobody for some seconds: what happened to it may have happened to others.
        """
        if time.monotonic() - self._lost_at < AFTERMATH_SECONDS:
            return ()
        return await super().bury()

    async def _show_life(self) -> str | None:
        """By a session that nothing else uses: the server ends it at once with the process."""
        if self._mark is None:
            connection = await self._connections.connect(_LASTING)
            try:
                [row] = await PostgresSession(connection).rows(
                    f"SELECT pg_backend_pid() AS pid, {_STARTED} AS started"
                )
            except BaseException:
                await connection.close()
                raise
            if row["pid"] != connection.info.backend_pid:
                # A pooler invents the number that it announces: the session is not ours.
                await connection.close()
                return None
            self._mark = connection, f"{row['started']}/{row['pid']}"
        return self._mark[1]

    async def _is_dead(self, session: Session, home: str) -> bool | None:
        started, _, pid = home.partition("/")
        [server] = await session.rows(
            f"""SELECT {_STARTED} AS started, EXISTS (
                SELECT 1 FROM pg_stat_activity WHERE CAST(pid AS TEXT) = :pid) AS has_session""",  # noqa: S608 - a constant
            pid=pid,
        )
        if not pid or started != server["started"]:
            return None
        return not server["has_session"]

    async def _watch(self, owner: str) -> None:
        while True:
            if self._mark is not None:
                with suppress(Error):  # it has ended: nothing is ever sent on it
                    async for _ in self._mark[0].notifies():
                        pass
                log.warning("lost the session that shows this process alive", owner=owner)
                self._lost_at = time.monotonic()
                await self._lose_mark()
            try:
                await super().register(owner)
            except (RollbackBotError, Error) as error:
                log.warning("cannot show this process alive", owner=owner, error=str(error))
                await self._lose_mark()
            if self._mark is None:
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _lose_mark(self) -> None:
        mark, self._mark = self._mark, None
        if mark is not None:
            await mark[0].close()

    async def _read(self, work: Work[T]) -> T:
        async with self._connections.transaction(b"BEGIN READ ONLY") as session:
            return await work(session)

    async def _write(self, work: Work[T]) -> T:
        async with self._connections.transaction() as session:
            return await work(session)


class UntouchedPostgres(Untouched, PostgresStore):
    """Every transaction is read-only, by the server's own rule."""

    async def start(self) -> None:
        """Connect; raises PermanentError when the server refuses or has no tables of the bot."""
        self._connections.open()
        try:
            await self.incidents(limit=1)
        except UndefinedTable:
            await self.close()
            raise PermanentError(
                f"The database {self._connections.where} has no tables of the bot yet.",
                "Check ROLLBACK_DATABASE_URL; “rollback-bot serve” and “run” create them.",
            ) from None
        except BaseException:
            await self.close()
            raise


# A dead server or network is noticed within seconds, not after the system's two hours.
# Milliseconds for tcp_user_timeout, else seconds.
_DEFAULTS = {
    "connect_timeout": "10",
    "keepalives_idle": "20",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "application_name": "rollback-bot",
}

# A replica that stands still in a transaction must not stop the others for ever.
_SESSION = (
    b"SET lock_timeout = '10s'",
    b"SET idle_in_transaction_session_timeout = '30s'",
    b"SET client_min_messages = warning",
)


class _Connections:
    """Connections to one database, at most ``limit`` at once."""

    def __init__(self, url: str, *, limit: int) -> None:
        """Raises ConfigurationError when the URL cannot be read."""
        try:
            given = conninfo_to_dict(url)
        except ProgrammingError:
            # Its message repeats parts of the URL, perhaps of the password.
            raise ConfigurationError(
                "ROLLBACK_DATABASE_URL cannot be read as a PostgreSQL URL.",
                "Percent-encode special characters in user and password.",
            ) from None
        self._settings = {**_DEFAULTS, **given}
        self._password = str(given.get("password") or "")
        self._limit = asyncio.Semaphore(limit)
        self._idle: list[_Connection] = []
        self._is_open = False

    @property
    def where(self) -> str:
        """Host and name of the database, for messages; never the password."""
        host = self._settings.get("host") or "localhost"
        name = self._settings.get("dbname") or self._settings.get("user") or "default"
        return f"{name} on {host}"

    def open(self) -> None:
        """Allow connections; each is made when it is first needed."""
        self._is_open = True

    async def close(self) -> None:
        """Close the idle connections; those in use are closed when they come back."""
        self._is_open = False
        while self._idle:
            await self._idle.pop().close()

    @asynccontextmanager
    async def transaction(self, begin: bytes = b"BEGIN") -> AsyncIterator[Session]:
        """A transaction, which is committed unless the body raises.

        Raises TemporaryError when the server is not there, OutcomeUnknownError when it goes
        away before it has confirmed.
        """
        async with self._limit:
            connection = await self._begin(begin)
            committing = False
            try:
                yield PostgresSession(connection)
                committing = True
                await connection.execute("COMMIT")
            except Error as error:
                raise _explained(
                    error, self.where, unconfirmed=committing and connection.closed
                ) from error
            finally:
                await self._give_back(connection)

    async def _begin(self, begin: bytes) -> _Connection:
        if not self._is_open:
            raise PermanentError(f"The store {self.where} is not open.", "Start it first.")
        while self._idle:
            connection = self._idle.pop()
            try:
                await connection.execute(begin)
            except OperationalError:
                # The server was restarted since; nothing is lost yet.
                await connection.close()
            except BaseException:
                await connection.close()
                raise
            else:
                return connection
        return await self.connect(begin)

    async def connect(self, *statements: bytes) -> _Connection:
        """A new connection that does not count, and belongs to the caller; for more than one
        transaction. The statements are run on it first.

        Raises TemporaryError when the server is not there, PermanentError when it refuses.
        """
        try:
            connection = await AsyncConnection.connect(
                make_conninfo("", **self._settings), autocommit=True, row_factory=dict_row
            )
        except OperationalError as error:
            raise _refused_connection(error, self.where, self._password) from None
        try:
            for statement in (*_SESSION, *statements):
                await connection.execute(statement)
        except BaseException as error:
            await connection.close()
            if isinstance(error, Error):
                raise _explained(error, self.where, unconfirmed=False) from error
            raise
        return connection

    async def _give_back(self, connection: _Connection) -> None:
        try:
            status = connection.info.transaction_status
            if status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
                await connection.rollback()
        except OperationalError:
            await connection.close()
        idle = connection.info.transaction_status == TransactionStatus.IDLE
        if self._is_open and idle:
            self._idle.append(connection)
        else:
            await connection.close()


# What a server says that will let us in later. The code of a refused connection is not passed
# on by libpq, so its words must do.
_LATER = ("starting up", "shutting down", "too many", "remaining connection slots", "recovery")


def _refused_connection(error: Error, where: str, password: str) -> Exception:
    """Why there is no connection to the database named ``where``."""
    said = " ".join(str(error).split())
    if password:
        said = said.replace(password, "***")
    if "FATAL:" in said and not any(word in said for word in _LATER):
        return PermanentError(
            f"The database {where} refuses the bot: {said}.",
            "Check user, password and database name in ROLLBACK_DATABASE_URL.",
        )
    return TemporaryError(
        f"The database {where} cannot be reached: {said}.",
        "Check that it runs, and host and port in ROLLBACK_DATABASE_URL.",
    )


def _explained(error: Error, where: str, *, unconfirmed: bool) -> Exception:
    """The error that tells people what went wrong in a transaction.

    ``unconfirmed`` says that the connection broke while the transaction was being committed.
    An error that is nobody's fault but the program's is returned unchanged.
    """
    if isinstance(error, InsufficientPrivilege):
        return ForbiddenError(
            f"The bot's user may not do this in {where}: {error}.",
            "Let it create tables in its schema, and own them.",
        )
    if isinstance(error, ReadOnlySqlTransaction):
        return PermanentError(
            f"The database {where} is read-only.",
            "Point ROLLBACK_DATABASE_URL to the primary server.",
        )
    if isinstance(error, DiskFull):
        return PermanentError(f"The database {where} has no room left.", "Enlarge its disk.")
    if not isinstance(error, OperationalError | InterfaceError):
        return error
    if unconfirmed:
        return OutcomeUnknownError(
            f"The database {where} did not confirm a transaction: {error}.",
            "Load again: it may have been written.",
        )
    return TemporaryError(f"The database {where} broke off a transaction: {error}.")
