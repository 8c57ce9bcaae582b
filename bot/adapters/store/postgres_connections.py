"""A small bounded set of PostgreSQL connections, each lent for one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import AsyncConnection, Error, OperationalError, ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row

from bot.adapters.store.postgres_errors import explained, refused_connection
from bot.errors import ConfigurationError, PermanentError

_Connection = AsyncConnection[DictRow]

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


class Connections:
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
    async def transaction(self) -> AsyncIterator[_Connection]:
        """A connection inside a transaction, which is committed unless the body raises.

        Raises TemporaryError when the server is not there, OutcomeUnknownError when it goes
        away before it has confirmed.
        """
        async with self._limit:
            connection = await self._begin()
            committing = False
            try:
                yield connection
                committing = True
                await connection.execute("COMMIT")
            except Error as error:
                raise explained(
                    error, self.where, unconfirmed=committing and connection.closed
                ) from error
            finally:
                await self._give_back(connection)

    async def _begin(self) -> _Connection:
        if not self._is_open:
            raise PermanentError(f"The store {self.where} is not open.", "Start it first.")
        while self._idle:
            connection = self._idle.pop()
            try:
                await connection.execute("BEGIN")
            except OperationalError:
                # The server was restarted since; nothing is lost yet.
                await connection.close()
            except BaseException:
                await connection.close()
                raise
            else:
                return connection
        return await self.connect(b"BEGIN")

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
            raise refused_connection(error, self.where, self._password) from None
        try:
            for statement in (*_SESSION, *statements):
                await connection.execute(statement)
        except BaseException as error:
            await connection.close()
            if isinstance(error, Error):
                raise explained(error, self.where, unconfirmed=False) from error
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
