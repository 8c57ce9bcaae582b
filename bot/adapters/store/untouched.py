"""A store for commands that promise to change nothing: it is read, and never written.

What a reader has to keep for itself, such as the counters it has just read, stays in memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sqlite_utils import Database

from bot.adapters.store.schema import migrate
from bot.adapters.store.session import T, Work
from bot.adapters.store.sql_store import SqlStore
from bot.adapters.store.sqlite import SqliteStore
from bot.errors import PermanentError
from bot.ports.store import ScrapePoint


class Untouched(SqlStore):
    """Readings of counters are kept in memory and told together with the stored ones."""

    _seen: list[ScrapePoint]

    async def add_scrapes(self, points: Sequence[ScrapePoint]) -> None:
        """Keep readings of counters until the end of the process."""
        self._seen.extend(points)

    async def scrapes(
        self, service: str, *, start: datetime, end: datetime
    ) -> tuple[ScrapePoint, ...]:
        """Stored readings and those of this process, oldest first."""
        stored = await super().scrapes(service, start=start, end=end)
        fresh = (p for p in self._seen if p.service == service and start <= p.at <= end)
        return tuple(sorted((*stored, *fresh), key=lambda point: point.at))

    async def _write(self, work: Work[T]) -> T:
        raise PermanentError("This command changes nothing in the store.", "Use another command.")


class UntouchedSqlite(Untouched, SqliteStore):
    """A SQLite file that is opened for reading; a file that is not there is an empty store."""

    def __init__(self, path: Path) -> None:
        SqliteStore.__init__(self, path)
        self._seen: list[ScrapePoint] = []

    @property
    def is_there(self) -> bool:
        """Whether the file exists."""
        return self._path.exists()

    def _open(self) -> None:
        if not self.is_there:
            self._open_empty()
            return
        # Without a log beside it nobody has the file open: then not even a lock is needed.
        is_open = Path(f"{self._path}-wal").exists()
        query = "mode=ro" if is_open else "mode=ro&immutable=1"
        connection = sqlite3.connect(
            f"{self._path.as_uri()}?{query}",
            uri=True,
            timeout=self._busy_timeout,
            isolation_level=None,
        )
        database = Database(connection, execute_plugins=False)
        if not database["events"].exists():
            # Another process is making the tables at this very moment: there is nothing yet.
            database.close()
            self._open_empty()
            return
        self._database = database
        self._database.execute("PRAGMA query_only = ON")

    def _open_empty(self) -> None:
        connection = sqlite3.connect(":memory:", isolation_level=None)
        self._database = Database(connection, execute_plugins=False)
        self._transaction("BEGIN", lambda s: migrate(s, blob="BLOB", where="memory"))
