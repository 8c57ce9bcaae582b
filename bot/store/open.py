"""The durable store: SQLite in a file, or PostgreSQL for several replicas of the bot."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from bot.core.errors import ConfigurationError
from bot.store.sqlite import SqliteStore, UntouchedSqlite
from bot.store.store import Store

_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql", "postgres")
_REMEDY = (
    "Set ROLLBACK_DATABASE_URL to sqlite:///file.sqlite3, sqlite:////path/to/file.sqlite3"
    " or postgresql://user@host/database."
)


def open_store(url: str) -> Store:
    """The store at a URL; it is opened by its ``start``.

    ``sqlite:///`` is followed by a relative path, ``sqlite:////`` by an absolute one. Raises
    ConfigurationError, which never repeats the URL: it may hold a password.
    """
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise ConfigurationError("ROLLBACK_DATABASE_URL is not a URL.", _REMEDY)
    if scheme == "sqlite":
        return SqliteStore(_sqlite_path(url))
    if scheme in _POSTGRES:
        return _postgres(url)
    raise ConfigurationError(
        f"ROLLBACK_DATABASE_URL begins with {scheme}://, which is no store that this bot knows.",
        _REMEDY,
    )


def open_untouched(url: str) -> Store:
    """The store at a URL for reading alone: nothing is created, migrated or written.

    Raises ConfigurationError as ``open_store`` does.
    """
    if url.startswith("sqlite:"):
        return UntouchedSqlite(_sqlite_path(url))
    open_store(url)  # what is no store is refused in the same words
    from bot.store.postgres import UntouchedPostgres  # noqa: PLC0415 - optional

    return UntouchedPostgres(url)


def _postgres(url: str) -> Store:
    try:
        # An optional dependency.
        from bot.store.postgres import PostgresStore  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            "ROLLBACK_DATABASE_URL names a PostgreSQL database, but its driver is not installed.",
            "Install the extra: pip install 'rollback-bot[postgres]'.",
        ) from error
    return PostgresStore(url)


def _sqlite_path(url: str) -> Path:
    if "?" in url:
        raise ConfigurationError(
            "ROLLBACK_DATABASE_URL has options behind a “?”, but a SQLite store takes none.",
            _REMEDY,
        )
    path = unquote(url.removeprefix(_SQLITE))
    if not url.startswith(_SQLITE) or not path or path == ":memory:":
        raise ConfigurationError(
            "ROLLBACK_DATABASE_URL begins with sqlite:// but names no file.", _REMEDY
        )
    return Path(path)
