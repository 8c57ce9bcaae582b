"""SQLite's result codes in words. See https://www.sqlite.org/rescode.html."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from bot.errors import PermanentError, RollbackBotError, TemporaryError

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})

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
    return _permanent(error, path) or error


def _permanent(error: sqlite3.Error, path: Path) -> RollbackBotError | None:
    words = _PERMANENT.get(_primary(error))
    if words is None:
        return None
    problem, remedy = words
    return PermanentError(f"The database {path} {problem}.", remedy)


def _primary(error: sqlite3.Error) -> int:
    # The low byte; the rest refines it.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
