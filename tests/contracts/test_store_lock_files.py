"""Marks of life beside a SQLite file."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import pytest

from bot.adapters.store import SqliteStore
from bot.adapters.store.lock_files import LockFiles
from bot.errors import PermanentError
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


async def test_the_files_of_the_dead_are_removed_and_with_the_last_one_their_directory(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bot.sqlite3"
    locks = tmp_path / "bot.sqlite3.owners"
    store, dying = SqliteStore(path), SqliteStore(path)
    await store.start()
    await dying.start()
    await store.register("../survivor")
    await dying.register("dying")
    assert len(list(locks.iterdir())) == 2
    dying._locks.release(remove=False)  # as the kernel does at the end of a process
    assert await store.bury(now=NOW) == ("dying",)
    assert len(list(locks.iterdir())) == 1
    await dying.close()
    await store.close()
    assert not locks.exists()


async def test_an_owner_whose_file_is_missing_may_be_alive(tmp_path: Path) -> None:
    path = tmp_path / "bot.sqlite3"
    store, other = SqliteStore(path), SqliteStore(path)
    await store.start()
    await other.start()
    await store.register("a")
    await store.acquire("job", owner="a", ttl=TTL, now=NOW)
    shutil.rmtree(tmp_path / "bot.sqlite3.owners")
    assert await other.bury(now=NOW) == ()
    assert await other.acquire("job", owner="b", ttl=TTL, now=NOW) is None
    await store.close()
    await other.close()


async def test_a_database_reached_through_a_link_has_the_same_owners(tmp_path: Path) -> None:
    (tmp_path / "link.sqlite3").symlink_to(tmp_path / "bot.sqlite3")
    store = SqliteStore(tmp_path / "link.sqlite3")
    await store.start()
    await store.register("a")
    assert len(list((tmp_path / "bot.sqlite3.owners").iterdir())) == 1
    await store.close()


async def test_a_directory_that_cannot_be_made_is_named_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "bot.sqlite3.owners").write_text("in the way")
    store = SqliteStore(tmp_path / "bot.sqlite3")
    await store.start()
    with pytest.raises(PermanentError, match=r"No lock can be held in .*owners: Not a directory"):
        await store.register("a")
    await store.close()


def test_one_at_a_time_holds_a_file_however_often_it_is_removed(tmp_path: Path) -> None:
    database = tmp_path / "bot.sqlite3"
    ends = time.monotonic() + 0.3
    holding: list[int] = []
    most: list[int] = []

    def hold_again_and_again(number: int) -> None:
        locks = LockFiles(database)
        while time.monotonic() < ends:
            locks.hold("a", patience=30)
            holding.append(number)
            most.append(len(holding))
            time.sleep(0.001)
            holding.remove(number)
            locks.release(remove=number % 2 == 0)

    def sweep_again_and_again() -> None:
        locks = LockFiles(database)
        while time.monotonic() < ends:
            locks.sweep(())
            locks.is_free("a")

    threads = [threading.Thread(target=hold_again_and_again, args=[n]) for n in range(4)]
    threads.append(threading.Thread(target=sweep_again_and_again))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) > 10
    assert set(most) == {1}
