"""The store's contract: incidents and their events."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from bot.core.errors import (
    ConcurrencyError,
    DuplicateRequestError,
    LeaseLostError,
    NotFoundError,
    RefusedError,
)
from bot.store.store import Store
from bot.store.values import Attachment, Batch, Document
from tests.contracts.store_support import (
    NOW,
    TTL,
    after,
    declare,
    declared,
    note,
    notes,
    post,
    receipt,
)


async def test_an_incident_comes_back_as_it_was_written(store: Store) -> None:
    head = await declared(store, batch=notes("first", "second \x00 “quoted” 🔥"))
    recorded = await store.load(head.id)
    assert head.id == "INC-2026-001"
    assert (head.seq, head.is_open, head.opened_at) == (2, True, NOW)
    assert [(item.seq, item.at, item.event) for item in recorded] == [
        (1, NOW, note("first")),
        (2, NOW, note("second \x00 “quoted” 🔥")),
    ]


async def test_an_unknown_incident_has_no_events_and_cannot_be_continued(store: Store) -> None:
    assert await store.load("INC-2026-999") == ()
    with pytest.raises(NotFoundError, match="INC-2026-999"):
        await store.append("INC-2026-999", expected=0, batch=notes("x"), now=NOW)


async def test_numbers_begin_anew_with_the_year_in_utc(store: Store) -> None:
    west = timezone(timedelta(hours=-5))
    moments = [
        datetime(2026, 12, 31, 23, 59, tzinfo=UTC),
        datetime(2026, 12, 31, 19, 1, tzinfo=west),  # 2027 in UTC
        datetime(2026, 12, 31, 23, 59, tzinfo=UTC),
    ]
    ids = [
        (await store.declare(service=f"s{n}", now=at, make=lambda _: notes("x"))).id
        for n, at in enumerate(moments)
    ]
    assert ids == ["INC-2026-001", "INC-2027-001", "INC-2026-002"]


async def test_the_thousandth_incident_of_a_year_has_four_digits(store: Store) -> None:
    closed = Batch(events=(note("x"),), closes=True)
    for _ in range(999):
        await declare(store, batch=closed)
    assert await declare(store, batch=closed) == "INC-2026-1000"
    newest = await store.incidents(limit=2)
    assert [head.id for head in newest] == ["INC-2026-1000", "INC-2026-999"]


async def test_a_service_with_an_open_incident_refuses_a_second_one(store: Store) -> None:
    first = await declare(store)
    with pytest.raises(RefusedError, match=first):
        await declare(store)
    assert await declare(store, "payments") == "INC-2026-002"  # the refused one left no gap


async def test_a_closed_incident_frees_the_service_and_can_still_be_written(store: Store) -> None:
    first = await declare(store)
    last = await store.append(
        first, expected=1, batch=Batch(events=(note("resolved"),), closes=True), now=after(1)
    )
    assert await store.append(first, expected=last, batch=notes("report"), now=after(2)) == 3
    second = await declare(store)
    heads = await store.incidents(service="checkout")
    assert {head.id: head.is_open for head in heads} == {first: False, second: True}


async def test_a_closed_incident_can_be_opened_again_and_claims_its_service(store: Store) -> None:
    first = await declare(store)
    closing = Batch(events=(note("resolved"),), closes=True)
    last = await store.append(first, expected=1, batch=closing, now=after(1))
    reopening = Batch(events=(note("relapsed"),), reopens=True)
    await store.append(first, expected=last, batch=reopening, now=after(2))
    assert [head.id for head in await store.incidents(open_only=True)] == [first]
    with pytest.raises(RefusedError, match=first):
        await declare(store)


async def test_an_incident_is_not_opened_again_beside_another_of_its_service(store: Store) -> None:
    first = await declare(store)
    closing = Batch(events=(note("resolved"),), closes=True)
    last = await store.append(first, expected=1, batch=closing, now=after(1))
    second = await declare(store)
    reopening = Batch(events=(note("relapsed"),), reopens=True)
    with pytest.raises(RefusedError, match=second):
        await store.append(first, expected=last, batch=reopening, now=after(2))
    assert len(await store.load(first)) == last


async def test_only_one_of_many_declarations_at_once_succeeds(
    store: Store, other_store: Store
) -> None:
    results = await asyncio.gather(
        *(declare(one) for one in [store, other_store] * 5), return_exceptions=True
    )
    assert [r for r in results if isinstance(r, str)] == ["INC-2026-001"]
    assert sum(isinstance(r, RefusedError) for r in results) == 9


async def test_incidents_are_listed_newest_first_and_can_be_chosen(store: Store) -> None:
    for n in range(3):
        await store.declare(service=f"s{n}", now=after(n), make=lambda _: notes("x"))
    await store.append("INC-2026-002", expected=1, batch=Batch(closes=True), now=after(9))
    assert [h.service for h in await store.incidents()] == ["s2", "s1", "s0"]
    assert [h.service for h in await store.incidents(limit=1)] == ["s2"]
    assert [h.service for h in await store.incidents(open_only=True)] == ["s2", "s0"]
    assert await store.incidents(service="s1", open_only=True) == ()


async def test_a_writer_who_did_not_see_the_newest_event_is_refused(store: Store) -> None:
    incident = await declare(store)
    await store.append(incident, expected=1, batch=notes("mine"), now=NOW)
    with pytest.raises(ConcurrencyError, match="event 2"):
        await store.append(incident, expected=1, batch=notes("late"), now=NOW)
    assert [item.event for item in await store.load(incident)] == [note("declared"), note("mine")]


async def test_of_many_writers_at_once_exactly_one_succeeds(
    store: Store, other_store: Store
) -> None:
    incident = await declare(store)
    results = await asyncio.gather(
        *(
            one.append(incident, expected=1, batch=notes(f"writer {n}"), now=NOW)
            for n, one in enumerate([store, other_store] * 5)
        ),
        return_exceptions=True,
    )
    assert [r for r in results if isinstance(r, int)] == [2]
    assert sum(isinstance(r, ConcurrencyError) for r in results) == 9
    assert len(await store.load(incident)) == 2


async def test_a_writer_who_lost_the_lease_is_refused(store: Store, other_store: Store) -> None:
    incident = await declare(store)
    old = await store.acquire(incident, owner="a", ttl=TTL, now=NOW)
    assert old is not None
    assert await store.append(incident, expected=1, batch=notes("a"), now=NOW, lease=old) == 2
    new = await other_store.acquire(incident, owner="b", ttl=TTL, now=after(31))
    assert new is not None
    with pytest.raises(LeaseLostError, match=incident):
        await store.append(incident, expected=2, batch=notes("zombie"), now=after(32), lease=old)
    assert await store.append(incident, expected=2, batch=notes("b"), now=NOW, lease=new) == 3


async def test_a_repeated_request_is_refused_and_writes_nothing(store: Store) -> None:
    first = Batch(events=(note("x"),), request_id="view/V1")
    incident = await declare(store, batch=first)
    with pytest.raises(DuplicateRequestError, match="view/V1"):
        await declare(store, batch=first)  # and not: the service is taken
    with pytest.raises(DuplicateRequestError):
        await declare(store, "payments", batch=first)
    with pytest.raises(DuplicateRequestError):
        await store.append(incident, expected=1, batch=first, now=NOW)
    assert [head.id for head in await store.incidents()] == [incident]


async def test_a_request_that_failed_may_be_made_again(store: Store) -> None:
    incident = await declare(store)
    batch = Batch(events=(note("x"),), request_id="click/1")
    with pytest.raises(ConcurrencyError):
        await store.append(incident, expected=0, batch=batch, now=NOW)
    assert await store.append(incident, expected=1, batch=batch, now=NOW) == 2


async def test_a_batch_is_written_as_a_whole_or_not_at_all(store: Store) -> None:
    incident = await declare(store)
    batch = Batch(
        events=(note("x"),),
        deliveries=(post("hello", incident_id=incident),),
        attachments=(Attachment(name="log", media_type="text/plain", content=b"\x00\xff"),),
        documents=(Document(kind="draft", id="1", body={"a": [1, None]}),),
        request_id="click/1",
    )
    with pytest.raises(ConcurrencyError):
        await store.append(incident, expected=7, batch=batch, now=NOW)
    assert await store.deliveries(incident) == ()
    assert await store.attachments(incident) == ()
    assert await store.documents("draft") == ()

    await store.append(incident, expected=1, batch=batch, now=NOW)
    assert [row.delivery for row in await store.deliveries(incident)] == list(batch.deliveries)
    assert await store.attachment(incident, "log") == batch.attachments[0]
    assert await store.get("draft", "1") == batch.documents[0]


async def test_an_error_while_the_batch_is_made_leaves_no_trace(store: Store) -> None:
    def fail(incident_id: str) -> Batch:
        raise ZeroDivisionError(incident_id)

    with pytest.raises(ZeroDivisionError):
        await store.declare(service="checkout", now=NOW, make=fail)
    assert await store.incidents() == ()
    assert await declare(store) == "INC-2026-001"


async def test_everything_is_still_there_after_a_restart(store: Store) -> None:
    incident = await declare(
        store, batch=Batch(deliveries=(post("x", incident_id="INC-2026-001"),))
    )
    await store.settle_sent("INC-2026-001/x", receipt(), now=NOW)
    await store.close()
    await store.close()
    await store.start()
    assert [head.id for head in await store.incidents()] == [incident]
    assert [row.receipt for row in await store.deliveries(incident)] == [receipt()]
