"""The store's contract: the queue of owed deliveries."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.core.errors import NotFoundError
from bot.store.delivery import Action, Delivery, DeliveryState
from bot.store.store import Store
from bot.store.values import Document
from tests.contracts.store_support import CHANNEL, NOW, TTL, after, claimed, post, receipt


async def test_deliveries_to_one_destination_go_one_at_a_time_in_order(store: Store) -> None:
    await store.enqueue([post("1"), post("2"), post("3")], now=NOW)
    sent = []
    for _ in range(3):
        [row] = await store.claim_deliveries(owner="a", now=NOW, ttl=TTL)
        assert await claimed(store) == []
        await store.settle_sent(row.delivery.id, receipt(), now=NOW)
        sent.append(row.delivery)
    assert sent == [post("1"), post("2"), post("3")]
    assert await claimed(store) == []


async def test_destinations_do_not_wait_for_each_other(store: Store) -> None:
    await store.enqueue([post("1"), post("2"), post("other", "slack:C2")], now=NOW)
    assert await claimed(store) == ["1", "other"]


async def test_a_claim_returns_no_more_than_its_limit(store: Store) -> None:
    await store.enqueue([post(str(n), f"slack:C{n}") for n in range(5)], now=NOW)
    first = await store.claim_deliveries(owner="a", now=NOW, ttl=TTL, limit=2)
    assert [row.delivery.destination for row in first] == ["slack:C0", "slack:C1"]
    assert len(await claimed(store)) == 3


async def test_owing_the_same_delivery_again_changes_nothing(store: Store) -> None:
    await store.enqueue([post("1"), post("1")], now=NOW)
    assert await claimed(store) == ["1"]
    await store.enqueue([post("1")], now=after(1))
    await store.settle_sent("/1", receipt(), now=NOW)
    await store.enqueue([post("1")], now=after(2))
    assert await claimed(store, now=after(99)) == []


async def test_what_is_owed_and_what_is_remembered_of_it_are_written_together(
    store: Store,
) -> None:
    known = Document(kind="episode", id="1", body={"version": 1})
    await store.enqueue([post("1")], now=NOW, documents=[known])
    assert await claimed(store) == ["1"]
    assert await store.get("episode", "1") == known


async def test_the_fate_of_each_delivery_of_an_incident_can_be_read(store: Store) -> None:
    names = ["sent", "failed", "tried", "owed"]
    await store.enqueue([post(n, f"slack:{n}", "INC-1") for n in names], now=NOW)
    await store.enqueue([post("elsewhere", incident_id="INC-2")], now=NOW)
    assert await claimed(store) == [*names, "elsewhere"]
    await store.settle_sent("INC-1/sent", receipt(), now=after(1))
    await store.settle_failed("INC-1/failed", "channel_not_found \x00", now=after(1))
    await store.settle_retry("INC-1/tried", due_at=after(60), error="rate_limited", unknown=True)
    await store.settle_retry("INC-1/owed", due_at=NOW, error="", unknown=False)

    rows = {row.delivery.payload["text"]: row for row in await store.deliveries("INC-1")}
    assert list(rows) == names
    assert rows["sent"].state is DeliveryState.SENT
    assert rows["sent"].receipt == receipt()
    assert rows["failed"].state is DeliveryState.FAILED
    assert rows["failed"].error == "channel_not_found \N{REPLACEMENT CHARACTER}"
    assert rows["tried"].state is DeliveryState.OWED
    assert (rows["tried"].due_at, rows["tried"].error) == (after(60), "rate_limited")
    assert (rows["tried"].attempts, rows["tried"].unknown) == (1, True)
    assert (rows["owed"].due_at, rows["owed"].unknown) == (NOW, False)


async def test_a_delivery_to_be_tried_later_holds_up_those_behind_it(store: Store) -> None:
    await store.enqueue([post("1"), post("2")], now=NOW)
    assert await claimed(store) == ["1"]
    await store.settle_retry("/1", due_at=after(60), error="timeout", unknown=False)
    assert await claimed(store, now=after(59)) == []
    [row] = await store.claim_deliveries(owner="a", now=after(60), ttl=TTL)
    assert (row.delivery, row.attempts, row.unknown) == (post("1"), 2, False)


async def test_a_delivery_that_failed_for_good_lets_the_next_one_go(store: Store) -> None:
    await store.enqueue([post("1"), post("2")], now=NOW)
    assert await claimed(store) == ["1"]
    await store.settle_failed("/1", "channel_not_found", now=NOW)
    assert await claimed(store) == ["2"]


async def test_a_claim_of_a_dead_process_is_taken_over_with_its_outcome_unknown(
    store: Store, other_store: Store
) -> None:
    await store.enqueue([post("1")], now=NOW)
    assert await claimed(store, owner="dead") == ["1"]
    assert await claimed(other_store, now=after(30), owner="b") == []
    [row] = await other_store.claim_deliveries(owner="b", now=after(31), ttl=TTL)
    assert (row.attempts, row.unknown) == (2, True)


async def test_a_process_that_lost_its_claim_cannot_give_the_delivery_to_a_third(
    store: Store, other_store: Store
) -> None:
    await store.enqueue([post("1"), post("2")], now=NOW)
    assert await claimed(store, owner="slow") == ["1"]
    assert await claimed(other_store, owner="b", now=after(31)) == ["1"]
    await store.settle_retry("/1", due_at=NOW, error="late", unknown=False)
    assert await claimed(store, now=after(32)) == []
    assert await claimed(other_store, now=after(32)) == []


async def test_a_process_that_lost_its_claim_cannot_fail_the_delivery(
    store: Store, other_store: Store
) -> None:
    await store.enqueue([post("1", incident_id="INC-1")], now=NOW)
    assert await claimed(store, owner="slow") == ["1"]
    assert await claimed(other_store, owner="b", now=after(31)) == ["1"]
    await store.settle_failed("INC-1/1", "late", now=after(32))
    await other_store.settle_sent("INC-1/1", receipt(), now=after(33))
    [row] = await store.deliveries("INC-1")
    assert (row.state, row.error) == (DeliveryState.SENT, "")


async def test_what_was_sent_stays_sent_with_its_first_receipt(store: Store) -> None:
    await store.enqueue([post("1", incident_id="INC-1")], now=NOW)
    assert await claimed(store) == ["1"]
    await store.settle_sent("INC-1/1", receipt("first"), now=NOW)
    await store.settle_sent("INC-1/1", receipt("second"), now=after(1))
    await store.settle_retry("INC-1/1", due_at=NOW, error="late", unknown=True)
    await store.settle_failed("INC-1/1", "late", now=after(1))
    [row] = await store.deliveries("INC-1")
    assert (row.state, row.receipt, row.error) == (DeliveryState.SENT, receipt("first"), "")


async def test_an_arrival_that_becomes_known_late_counts(store: Store, other_store: Store) -> None:
    await store.enqueue([post("1", incident_id="INC-1")], now=NOW)
    assert await claimed(store, owner="slow") == ["1"]
    assert await claimed(other_store, owner="b", now=after(31)) == ["1"]
    await other_store.settle_failed("INC-1/1", "gave up", now=after(32))
    await store.settle_sent("INC-1/1", receipt(), now=after(33))
    [row] = await store.deliveries("INC-1")
    assert (row.state, row.receipt) == (DeliveryState.SENT, receipt())


async def test_settling_what_was_never_owed_is_an_error(store: Store) -> None:
    with pytest.raises(NotFoundError, match="/nothing"):
        await store.settle_sent("/nothing", receipt(), now=NOW)
    with pytest.raises(NotFoundError, match="/nothing"):
        await store.settle_retry("/nothing", due_at=NOW, error="", unknown=False)
    with pytest.raises(NotFoundError, match="/nothing"):
        await store.settle_failed("/nothing", "x", now=NOW)


async def test_the_store_tells_when_the_next_delivery_is_due(store: Store) -> None:
    assert await store.next_delivery_at() is None
    await store.enqueue([post("1"), post("2")], now=NOW)
    await store.enqueue([post("other", "slack:C2")], now=after(5))
    assert await store.next_delivery_at() == NOW
    assert await claimed(store) == ["1"]
    assert await store.next_delivery_at() == after(5)  # "2" waits for "1", which is in flight
    await store.settle_retry("/1", due_at=after(60), error="", unknown=False)
    assert await claimed(store, now=after(5)) == ["other"]
    assert await store.next_delivery_at() == after(60)


async def test_a_message_outside_any_card_has_no_card_receipt(store: Store) -> None:
    await store.enqueue([post("1")], now=NOW)
    await store.settle_sent("/1", receipt(), now=NOW)
    assert await store.card_receipt(CHANNEL, "", "") is None


async def test_claims_expire_by_the_ttl_of_the_one_who_claims(store: Store) -> None:
    await store.enqueue([post("1")], now=NOW)
    assert await claimed(store) == ["1"]
    short = timedelta(seconds=1)
    [row] = await store.claim_deliveries(owner="b", now=after(2), ttl=short)
    assert row.unknown


async def test_the_receipt_of_a_series_is_that_of_its_newest_delivery_that_arrived(
    store: Store,
) -> None:
    def message(number: int, series: str = "mail", to: str = "email:board") -> Delivery:
        return Delivery(
            id=f"{series}/{number}/{to}",
            destination=to,
            action=Action.POST,
            series=series,
            payload={"said": '"series":"other"'},
        )

    owed = [
        message(1),
        message(2),
        message(3, to="email:others"),
        *(message(number, "other") for number in range(4, 12)),
    ]
    await store.enqueue([*owed, message(12)], now=NOW)
    for number, delivery in enumerate(owed, start=1):
        await store.settle_sent(delivery.id, receipt(str(number)), now=after(number))
    assert await store.series_receipt("email:board", "mail", "") == receipt("2")
    assert await store.series_receipt("email:board", "other", "") == receipt("11")
    assert await store.series_receipt("email:board", "third", "") is None
    assert await store.series_receipt("email:board", "mail", "INC-1") is None
