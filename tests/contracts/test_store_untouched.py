"""A store that is only looked at: everything is told, nothing is written, nothing is created."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.core.errors import PermanentError
from bot.store.open import open_store, open_untouched
from bot.store.values import Document, ScrapePoint
from tests.contracts.store_support import NewUrl

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def _reading(seconds: float) -> ScrapePoint:
    at = NOON + timedelta(seconds=seconds)
    return ScrapePoint(
        service="checkout",
        at=at,
        instance="pod-1",
        release="v2",
        born_at=NOON,
        requests=seconds,
        errors=0,
    )


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def test_it_reads_what_is_stored_and_keeps_its_own_readings_to_itself(
    store_url: str,
) -> None:
    writer = open_store(store_url)
    await writer.start()
    await writer.put(Document(kind="release", id="checkout/v1", body={"mark": "good"}))
    await writer.add_scrapes([_reading(1)])
    looking = open_untouched(store_url)
    await looking.start()
    await looking.add_scrapes([_reading(2)])
    span = {"start": NOON, "end": NOON + timedelta(minutes=1)}
    assert [d.id for d in await looking.documents("release")] == ["checkout/v1"]
    assert [p.requests for p in await looking.scrapes("checkout", **span)] == [1, 2]
    with pytest.raises(PermanentError, match="changes nothing"):
        await looking.put(Document(kind="release", id="checkout/v2", body={}))
    await looking.close()
    assert [p.requests for p in await writer.scrapes("checkout", **span)] == [1]
    assert [d.id for d in await writer.documents("release")] == ["checkout/v1"]
    await writer.close()


async def test_it_reads_a_file_that_nobody_has_open(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/bot.sqlite3"
    writer = open_store(url)
    await writer.start()
    await writer.put(Document(kind="release", id="checkout/v1", body={"mark": "good"}))
    await writer.close()
    before = _files(tmp_path)
    looking = open_untouched(url)
    await looking.start()
    assert len(await looking.documents("release")) == 1
    await looking.close()
    assert _files(tmp_path) == before


async def test_a_sqlite_file_that_is_not_there_is_empty_and_stays_away(tmp_path: Path) -> None:
    looking = open_untouched(f"sqlite:///{tmp_path}/bot.sqlite3")
    await looking.start()
    assert await looking.incidents() == ()
    await looking.close()
    assert _files(tmp_path) == {}


async def test_a_sqlite_file_whose_tables_are_just_being_made_is_empty(tmp_path: Path) -> None:
    file = tmp_path / "new.sqlite3"
    file.touch()
    store = open_untouched(f"sqlite:///{file}")
    await store.start()
    assert await store.incidents() == ()
    assert await store.load("INC-2026-001") == ()
    await store.close()
    assert file.read_bytes() == b""


@pytest.mark.parametrize("new_store_url", ["postgres"], indirect=True)
async def test_a_postgresql_database_without_tables_is_refused_and_stays_empty(
    new_store_url: NewUrl,
) -> None:
    looking = open_untouched(new_store_url())
    with pytest.raises(PermanentError, match="no tables of the bot yet"):
        await looking.start()
