"""Marks of life beside a SQLite file."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from bot.core.errors import PermanentError
from bot.store.sqlite import SqliteStore
from tests.contracts.store_support import NOW, TTL


async def test_the_name_of_a_living_process_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bot.sqlite3"
    first, second = SqliteStore(path), SqliteStore(path, busy_timeout=0.05)
    await first.start()
    await second.start()
    await first.register("bot-0")
    with pytest.raises(PermanentError, match="Another living process works on the store as bot-0"):
        await second.register("bot-0")
    await first.close()
    await second.register("bot-0")
    await second.close()


def marks(folder: Path) -> list[Path]:
    """The files that show who lives."""
    return list(folder.glob("bot.sqlite3.owner-*"))


async def test_the_files_of_the_dead_and_of_those_who_left_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "bot.sqlite3"
    store, dying = SqliteStore(path), SqliteStore(path)
    await store.start()
    await dying.start()
    await store.register("../survivor")
    await dying.register("dying")
    assert len(marks(tmp_path)) == 2
    dying._end_mark(remove=False)  # as the kernel does at the end of a process
    assert await store.bury() == ("dying",)
    assert len(marks(tmp_path)) == 1
    await dying.close()
    await store.close()
    assert marks(tmp_path) == []


async def test_an_owner_whose_file_is_missing_may_be_alive(tmp_path: Path) -> None:
    path = tmp_path / "bot.sqlite3"
    store, other = SqliteStore(path), SqliteStore(path)
    await store.start()
    await other.start()
    await store.register("a")
    await store.acquire("job", owner="a", ttl=TTL, now=NOW)
    for mark in marks(tmp_path):
        mark.unlink()
    await other.register("b")
    assert await other.bury() == ()
    assert await other.acquire("job", owner="b", ttl=TTL, now=NOW) is None
    await store.close()
    await other.close()


async def test_a_database_reached_through_a_link_has_the_same_owners(tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "link.sqlite3").symlink_to(tmp_path / "bot.sqlite3")
    store = SqliteStore(tmp_path / "links" / "link.sqlite3")
    await store.start()
    await store.register("a")
    assert len(marks(tmp_path)) == 1
    await store.close()


async def test_a_lock_that_cannot_be_held_is_named_with_a_remedy(tmp_path: Path) -> None:
    # Long enough for what SQLite adds to the name, and too long for what is added here.
    store = SqliteStore(tmp_path / f"{'b' * 235}.sqlite3")
    await store.start()
    with pytest.raises(PermanentError, match=r"No lock can be held beside .*: File name too long"):
        await store.register("a")
    await store.close()


async def test_one_at_a_time_has_a_name_however_often_it_changes_hands(tmp_path: Path) -> None:
    database = tmp_path / "bot.sqlite3"
    ends = time.monotonic() + 0.5
    holding: list[int] = []
    most: list[int] = []

    async def hold_again_and_again(number: int) -> None:
        while time.monotonic() < ends:
            store = SqliteStore(database, busy_timeout=30)
            await store.start()
            await store.register("a")
            holding.append(number)
            most.append(len(holding))
            await asyncio.sleep(0.001)
            holding.remove(number)
            if number % 2:
                store._end_mark(remove=False)
            await store.close()

    async def bury_again_and_again() -> None:
        store = SqliteStore(database)
        await store.start()
        while time.monotonic() < ends:
            await store.bury()
        await store.close()

    async with asyncio.TaskGroup() as together:
        for number in range(4):
            together.create_task(hold_again_and_again(number))
        together.create_task(bury_again_and_again())
    assert len(most) > 10
    assert set(most) == {1}
