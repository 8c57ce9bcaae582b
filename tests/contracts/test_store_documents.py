"""The store's contract: documents, attachments, readings, and what is thrown away."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone

import pytest

from bot.core.errors import DuplicateRequestError
from bot.store.store import Store
from bot.store.values import Attachment, Batch, Document, ScrapePoint
from tests.contracts.store_support import NOW, after, declare, note


async def test_a_document_comes_back_as_it_was_written_until_it_is_replaced(store: Store) -> None:
    body = {"text": "“ü” \x00", "number": 1.5, "none": None, "list": [True, {"a": []}]}
    first = Document(kind="draft", id="V1", body=body, expires_at=NOW)
    await store.put(first)
    assert await store.get("draft", "V1") == first
    second = Document(kind="draft", id="V1", body={})
    await store.put(second)
    assert await store.get("draft", "V1") == second
    assert await store.get("draft", "V2") is None
    assert await store.get("watch", "V1") is None


async def test_documents_are_listed_by_kind(store: Store) -> None:
    documents = [Document(kind="watch", id=id_, body={}) for id_ in ("b", "a")]
    for document in [*documents, Document(kind="draft", id="c", body={})]:
        await store.put(document)
    assert [document.id for document in await store.documents("watch")] == ["a", "b"]


async def test_only_one_of_two_removes_a_document(store: Store, other_store: Store) -> None:
    await store.put(Document(kind="draft", id="V1", body={}))
    removed = await asyncio.gather(*(one.delete("draft", "V1") for one in [store, other_store] * 3))
    assert sorted(removed) == [False] * 5 + [True]


async def test_files_are_kept_byte_by_byte_and_the_newest_of_a_name_wins(store: Store) -> None:
    content = bytes(range(256)) * 4096
    old = Attachment(name="chart.png", media_type="image/png", content=b"")
    new = Attachment(name="chart.png", media_type="image/png", content=content)
    log = Attachment(name="a.log", media_type="text/plain", content=b"x")
    incident = await declare(store, batch=Batch(attachments=(old, log)))
    other = await declare(store, "payments")
    await store.append(incident, expected=0, batch=Batch(attachments=(new,)), now=NOW)
    assert await store.attachment(incident, "chart.png") == new
    assert await store.attachments(incident) == ("a.log", "chart.png")
    assert await store.attachment(other, "chart.png") is None
    assert await store.attachments(other) == ()


def reading(at: datetime, instance: str = "pod-1", service: str = "checkout") -> ScrapePoint:
    """A reading with numbers that no shorter type would keep."""
    return ScrapePoint(
        service=service,
        at=at,
        instance=instance,
        release="v2.1.0",
        born_at=after(-3600),
        requests=2.0**53 - 1,
        errors=0.1 + 0.2,
        duration_sum=1e-300,
        duration_count=1.0,
        duration_buckets={"0.1": 1.0, "+Inf": 2.0**53 - 1},
        business=0.0,
        saturation=0.1 + 0.2,
    )


async def test_readings_of_a_window_come_with_the_last_one_before_it(store: Store) -> None:
    points = [
        reading(after(-20)),
        reading(after(-10)),
        reading(after(-15), "gone"),
        reading(NOW),
        reading(after(5), "new"),
        reading(after(10)),
        reading(after(11)),
        reading(NOW, service="payments"),
        reading(after(-1), service="payments"),
    ]
    await store.add_scrapes(points[::-1])
    found = await store.scrapes("checkout", start=NOW, end=after(10))
    assert list(found) == [points[2], points[1], points[3], points[4], points[5]]


async def test_a_reading_taken_twice_counts_once(store: Store, other_store: Store) -> None:
    await asyncio.gather(*(one.add_scrapes([reading(NOW)]) for one in (store, other_store)))
    assert await store.scrapes("checkout", start=NOW, end=NOW) == (reading(NOW),)


async def test_moments_in_any_zone_come_back_as_the_same_moment(store: Store) -> None:
    tokyo = NOW.astimezone(timezone(timedelta(hours=9))) + timedelta(microseconds=1)
    await store.add_scrapes([reading(tokyo)])
    [point] = await store.scrapes("checkout", start=tokyo, end=tokyo)
    assert point.at == tokyo
    assert point.at.utcoffset() == timedelta(0)


async def test_pruning_removes_what_is_old_and_nothing_else(store: Store) -> None:
    await store.put(Document(kind="draft", id="old", body={}, expires_at=after(-1)))
    await store.put(Document(kind="draft", id="young", body={}, expires_at=after(1)))
    await store.put(Document(kind="draft", id="eternal", body={}))
    await store.add_scrapes([reading(after(-61)), reading(after(-60))])
    incident = await declare(store, batch=Batch(events=(note("x"),), request_id="click/1"))

    await store.prune(now=NOW, keep_scrapes=timedelta(minutes=1))
    assert [document.id for document in await store.documents("draft")] == ["eternal", "young"]
    assert await store.scrapes("checkout", start=after(-99), end=NOW) == (reading(after(-60)),)
    repeated = Batch(request_id="click/1")
    with pytest.raises(DuplicateRequestError):
        await store.append(incident, expected=1, batch=repeated, now=NOW)

    await store.prune(now=NOW + timedelta(days=8), keep_scrapes=timedelta(days=30))
    assert await store.append(incident, expected=1, batch=repeated, now=NOW) == 1
