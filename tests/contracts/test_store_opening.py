"""Opening a store: its URL, its tables, and what people hear when it cannot be opened."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from pathlib import Path

import pytest

from bot.core.errors import ConfigurationError, PermanentError, TemporaryError
from bot.store.open import open_store
from bot.store.schema import MIGRATIONS, Session, migrate
from bot.store.sqlite import SqliteStore, explained
from bot.store.store import Store
from tests.contracts.store_support import NOW, declare, notes


@pytest.mark.parametrize(
    "url",
    [
        "oracle://u:hunter2@db/x",
        "rollback.sqlite3",
        "sqlite://",
        "sqlite:///",
        "sqlite://host/file",
        "sqlite:///:memory:",
        "sqlite:///file.sqlite3?mode=ro",
        "postgresql://bot:hunter2%zz@db/x",
        "postgresql://bot:hunter2@db/x?no_such_option=1",
    ],
)
def test_a_url_that_names_no_store_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="ROLLBACK_DATABASE_URL") as refused:
        open_store(url)
    assert "hunter2" not in str(refused.value)
    assert refused.value.remedy


def test_a_sqlite_path_may_be_relative_or_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def touch(url: str) -> None:
        store = open_store(url)
        await store.start()
        await store.close()

    monkeypatch.chdir(tmp_path)
    asyncio.run(touch("sqlite:///a%20b.sqlite3"))
    asyncio.run(touch(f"sqlite:///{tmp_path}/c.sqlite3"))
    assert {path.name for path in tmp_path.iterdir()} == {"a b.sqlite3", "c.sqlite3"}


def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name.startswith("bot.store.postgres"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigurationError, match=r"rollback-bot\[postgres\]"):
        open_store("postgresql://bot:hunter2@db/x")


async def test_a_store_that_is_not_open_says_so(store_url: str) -> None:
    store = open_store(store_url)
    with pytest.raises(PermanentError, match="not open"):
        await store.incidents()
    await store.close()


async def test_tables_written_by_a_newer_bot_are_left_alone(store: Store, store_url: str) -> None:
    async def upgrade(session: Session) -> None:
        await session.rows("INSERT INTO schema_version (version) VALUES (99)")

    await declare(store)
    await store._write(upgrade)
    older = open_store(store_url)
    with pytest.raises(PermanentError, match="version 99"):
        await older.start()
    assert len(await store.incidents()) == 1


async def test_a_migration_is_applied_once_to_the_tables_that_are_there(store: Store) -> None:
    more = (*MIGRATIONS, ("CREATE TABLE extra (x {blob})", "INSERT INTO extra VALUES (NULL)"))

    async def upgrade(session: Session) -> int:
        await migrate(session, blob="BYTEA", where="here", migrations=more)
        return len(await session.rows("SELECT * FROM extra"))

    incident = await declare(store)
    assert [await store._write(upgrade) for _ in range(2)] == [1, 1]
    assert len(await store.load(incident)) == 1


async def test_a_migration_that_fails_changes_nothing(store: Store) -> None:
    broken = (*MIGRATIONS, ("CREATE TABLE extra (x BIGINT)", "DROP TABLE no_such_table"))

    async def upgrade(session: Session) -> None:
        await migrate(session, blob="BYTEA", where="here", migrations=broken)

    for _ in range(2):  # the second time, too, it is the missing table that is missed
        with pytest.raises(Exception, match="no_such_table"):
            await store._write(upgrade)
    assert await declare(store) == "INC-2026-001"


async def test_a_sqlite_file_in_a_missing_directory_is_named_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "store.sqlite3"
    with pytest.raises(PermanentError, match="Create its directory") as failure:
        await SqliteStore(path).start()
    assert str(path) in failure.value.what


async def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("These are my notes. " * 100)
    store = SqliteStore(path)
    with pytest.raises(PermanentError, match=r"notes.txt is not a SQLite database"):
        await store.start()
    assert path.read_text() == "These are my notes. " * 100


def test_a_file_that_may_not_be_written_is_named_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    path.touch()
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError) as failure:
        connection.execute("CREATE TABLE x (y)")
    connection.close()
    told = explained(failure.value, path, 0)
    assert isinstance(told, PermanentError)
    assert told.what == f"The database {path} cannot be written."


async def test_a_sqlite_file_that_stays_locked_can_be_read_but_not_written(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    store = SqliteStore(path, busy_timeout=0.05)
    await store.start()
    incident = await declare(store)
    rival = sqlite3.connect(path, isolation_level=None)
    rival.execute("BEGIN IMMEDIATE")
    with pytest.raises(TemporaryError, match="locked by another process"):
        await store.append(incident, expected=1, batch=notes("x"), now=NOW)
    assert len(await store.load(incident)) == 1
    rival.execute("ROLLBACK")
    rival.close()
    assert await store.append(incident, expected=1, batch=notes("x"), now=NOW) == 2
    await store.close()


async def test_a_sqlite_transaction_is_on_the_disk_before_it_is_acknowledged(
    tmp_path: Path,
) -> None:
    async def pragmas(session: Session) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [next(iter((await session.rows(f"PRAGMA {n}"))[0].values())) for n in names]

    store = SqliteStore(tmp_path / "store.sqlite3")
    await store.start()
    full = 2
    assert await store._read(pragmas) == ["wal", full, 1]
    await store.close()
