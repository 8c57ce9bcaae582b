"""A PostgreSQL store for commands that promise to change nothing."""

from __future__ import annotations

from psycopg.errors import UndefinedTable

from bot.adapters.store.postgres import PostgresSession, PostgresStore
from bot.adapters.store.session import T, Work
from bot.adapters.store.untouched import Untouched
from bot.errors import PermanentError


class UntouchedPostgres(Untouched, PostgresStore):
    """Every transaction is read-only, by the server's own rule."""

    def __init__(self, url: str) -> None:
        PostgresStore.__init__(self, url)
        self._seen = []

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

    async def _read(self, work: Work[T]) -> T:
        async with self._connections.transaction() as connection:
            await connection.execute("SET TRANSACTION READ ONLY")
            return await work(PostgresSession(connection))
