"""The embedded store: one SQLite file, through sqlite-utils."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

from sqlite_utils import Database

from bot.core.errors import PermanentError, TemporaryError
from bot.store.schema import Param, Row, Session, T, Work, migrate
from bot.store.store import Store, Untouched

_Begin = Literal["BEGIN", "BEGIN IMMEDIATE"]


class _SqliteSession(Session):
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


class SqliteStore(Store):
    """A durable store in one file, which several processes of one machine may share.

    All work is done on one thread. A transaction is on the disk before its method returns
    (write-ahead log, ``synchronous=FULL``), so that neither ``kill -9`` nor a power cut loses it.
    """

    def __init__(self, path: Path, *, busy_timeout: float = 10.0) -> None:
        """``busy_timeout``: seconds to wait for another process before TemporaryError."""
        super().__init__(patience=busy_timeout)
        # As SQLite does with its own files: all names of one file must lead to the same owners.
        self._path = path.resolve()
        self._busy_timeout = busy_timeout
        self._mark: tuple[int, Path] | None = None
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

    async def _show_life(self) -> str:
        return await self._on_thread(self._make_mark)

    def _make_mark(self) -> str:
        """Lock a new file, whose name no other process ever has.

        The kernel gives up a ``flock`` when the last descriptor of the open file is closed, at
        the latest when the process is gone (flock(2)); one that only stands still keeps it.
        Programs that the process starts do not inherit the descriptor.
        """
        if self._mark is None:
            try:
                descriptor, name = tempfile.mkstemp(
                    prefix=f"{self._path.name}.owner-", dir=self._path.parent
                )
                self._mark = descriptor, Path(name)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except OSError as error:
                raise PermanentError(
                    f"No lock can be held beside {self._path}: {error.strerror}.",
                    "Let the bot's user write there, on a local disk with room, or use PostgreSQL.",
                ) from error
        return self._mark[1].name

    async def _is_dead(self, session: Session, home: str) -> bool | None:
        mark = self._path.with_name(home)
        try:
            descriptor = os.open(mark, os.O_RDONLY)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mark.unlink()
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return True

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
            result = _run_through(work(_SqliteSession(database)))
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
        self._end_mark(remove=has_left)

    def _end_mark(self, *, remove: bool) -> None:
        """Give up the lock; a file that is left, and free, tells others of the death."""
        mark, self._mark = self._mark, None
        if mark is not None:
            if remove:
                mark[1].unlink(missing_ok=True)
            os.close(mark[0])


class UntouchedSqlite(Untouched, SqliteStore):
    """A SQLite file that is opened for reading; a file that is not there is an empty store."""

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


def _run_through(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits, here and now."""
    try:
        work.send(None)
    except StopIteration as finished:
        result: T = finished.value
        return result
    work.close()
    raise RuntimeError("A transaction waited for something outside its session.")


_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})

# See https://www.sqlite.org/rescode.html.
_PERMANENT = {
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened",
        "Create its directory, and let the bot's user write to it.",
    ),
    sqlite3.SQLITE_READONLY: (
        "cannot be written",
        "Let the bot's user write to the file and to its directory.",
    ),
    sqlite3.SQLITE_PERM: (
        "may not be accessed",
        "Let the bot's user write to the file and to its directory.",
    ),
    sqlite3.SQLITE_FULL: ("has no room left", "Free space on its disk, or enlarge it."),
    sqlite3.SQLITE_IOERR: (
        "cannot be read or written: the disk reports an error",
        "Check the disk and the system's log; restore a backup if need be.",
    ),
    sqlite3.SQLITE_NOTADB: (
        "is not a SQLite database",
        "Point ROLLBACK_DATABASE_URL to another file, or move this one away.",
    ),
    sqlite3.SQLITE_CORRUPT: ("is damaged", "Restore it from a backup."),
}


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection was in the way."""
    return _primary(error) in _BUSY


def explained(error: sqlite3.Error, path: Path, waited: float) -> Exception:
    """The error that tells people what is wrong with the file at ``path``.

    ``waited`` is how many seconds a lock was waited for. An error that is nobody's fault but
    the program's is returned unchanged.
    """
    if is_busy(error):
        return TemporaryError(
            f"The database {path} was locked by another process for more than {waited:g} s.",
            "Find the process that holds it open in a transaction.",
        )
    if _primary(error) not in _PERMANENT:
        return error
    problem, remedy = _PERMANENT[_primary(error)]
    return PermanentError(f"The database {path} {problem}.", remedy)


def _primary(error: sqlite3.Error) -> int:
    # The low byte; the rest refines it.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
