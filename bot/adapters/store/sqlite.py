"""The embedded store: one SQLite file, through sqlite-utils."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Literal

from sqlite_utils import Database

from bot.adapters.store import owners
from bot.adapters.store.lock_files import LockFiles, kernel
from bot.adapters.store.schema import migrate
from bot.adapters.store.session import Param, Row, Session, T, Work, run_through
from bot.adapters.store.sql_store import SqlStore
from bot.adapters.store.sqlite_errors import explained, is_busy
from bot.errors import PermanentError

_Begin = Literal["BEGIN", "BEGIN IMMEDIATE"]


class _SqliteSession:
    """A transaction on a connection; its coroutines never wait."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def rows(self, sql: str, /, **params: Param) -> Sequence[Row]:
        cursor = self._database.execute(sql, params)
        if cursor.description is None:
            return ()
        names = [column[0] for column in cursor.description]
        # All of them now: a statement that returns rows is complete only after the last.
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    async def many(self, sql: str, params: Sequence[Mapping[str, Param]], /) -> None:
        for values in params:
            self._database.execute(sql, dict(values))


class SqliteStore(SqlStore):
    """A durable store in one file, which several processes of one machine may share.

    All work is done on one thread. A transaction is on the disk before its method returns
    (write-ahead log, ``synchronous=FULL``), so that neither ``kill -9`` nor a power cut loses it.
    """

    def __init__(self, path: Path, *, busy_timeout: float = 10.0) -> None:
        """``busy_timeout``: seconds to wait for another process before TemporaryError."""
        super().__init__()
        self._path = path.absolute()
        self._busy_timeout = busy_timeout
        self._locks = LockFiles(path)
        self._thread: ThreadPoolExecutor | None = None
        self._database: Database | None = None

    async def start(self) -> None:
        """Open, and create or migrate the tables. Raises PermanentError with the reason."""
        if self._thread is not None:
            return
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        try:
            await self._on_thread(self._open)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Leave, close the file and end the thread; harmless when repeated."""
        try:
            has_left = await self._leave()
        finally:
            thread, self._thread = self._thread, None
        if thread is None:
            return
        await asyncio.get_running_loop().run_in_executor(thread, lambda: self._shut(has_left))
        thread.shutdown()

    async def bury(self, *, now: datetime) -> tuple[str, ...]:
        """Free what registered owners hold that are provably dead, and remove their files."""
        buried = await super().bury(now=now)
        # What is locked and not yet written down stays: nobody can lock it a second time.
        known = await self._read(owners.known)
        await self._on_thread(lambda: self._locks.sweep(known))
        return buried

    async def _show_life(self, owner: str) -> str:
        await self._on_thread(lambda: self._locks.hold(owner, patience=self._busy_timeout))
        return kernel()

    async def _home(self, session: Session) -> str:
        return kernel()

    async def _is_dead(self, session: Session, owner: str) -> bool:
        return self._locks.is_free(owner)

    async def _read(self, work: Work[T]) -> T:
        # A snapshot: it neither waits for a writer nor makes one wait.
        return await self._on_thread(lambda: self._transaction("BEGIN", work))

    async def _write(self, work: Work[T]) -> T:
        # The lock first: a transaction that reads and then wants to write could find that
        # another process has written in between, and fail.
        return await self._on_thread(lambda: self._transaction("BEGIN IMMEDIATE", work))

    async def _on_thread(self, job: Callable[[], T]) -> T:
        if self._thread is None:
            raise PermanentError(f"The store {self._path} is not open.", "Start it first.")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, job)
        except sqlite3.Error as error:
            raise explained(error, self._path, self._busy_timeout) from error

    def _transaction(self, begin: _Begin, work: Work[T]) -> T:
        database = self._open_database()
        database.execute(begin)
        try:
            result = run_through(work(_SqliteSession(database)))
            database.commit()
        except BaseException:
            database.rollback()
            raise
        return result

    def _open_database(self) -> Database:
        if self._database is None:
            raise PermanentError(f"The store {self._path} is not open.", "Start it first.")
        return self._database

    def _open(self) -> None:
        # Without isolation level the driver begins no transactions of its own.
        connection = sqlite3.connect(self._path, timeout=self._busy_timeout, isolation_level=None)
        self._database = Database(connection, execute_plugins=False)
        self._enable_wal(self._database)
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("PRAGMA foreign_keys = ON")
        where = str(self._path)
        self._transaction("BEGIN IMMEDIATE", lambda s: migrate(s, blob="BLOB", where=where))

    def _enable_wal(self, database: Database) -> None:
        # The only lock that SQLite does not wait for by itself: two processes that start on a
        # new file at the same moment.
        deadline = time.monotonic() + self._busy_timeout
        while True:
            try:
                database.enable_wal()
                break
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        if database.journal_mode != "wal":
            raise PermanentError(
                f"SQLite cannot keep a write-ahead log beside {self._path}.",
                "Put the file on a local disk, or use PostgreSQL.",
            )

    def _shut(self, has_left: bool) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
        self._locks.release(remove=has_left)
