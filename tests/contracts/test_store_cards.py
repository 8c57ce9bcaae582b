"""The store's contract: of a card, only the newest version is worth sending."""

from __future__ import annotations

from bot.store.delivery import DeliveryState
from bot.store.store import Store
from tests.contracts.store_support import CHANNEL, NOW, TTL, after, card, claimed, post, receipt


async def states(store: Store) -> list[DeliveryState]:
    """The states of all deliveries outside any incident, in order."""
    return [row.state for row in await store.deliveries("")]


async def test_a_new_version_of_a_card_replaces_the_owed_ones_at_once(store: Store) -> None:
    await store.enqueue([card(1), card(2)], now=NOW)
    await store.enqueue([card(3)], now=NOW)
    lapsed, owed = DeliveryState.LAPSED, DeliveryState.OWED
    assert await states(store) == [lapsed, lapsed, owed]
    assert await claimed(store) == ["version 3"]


async def test_cards_of_another_name_channel_or_incident_are_left_alone(store: Store) -> None:
    theirs = card(1).model_copy(update={"id": "INC-1/status", "incident_id": "INC-1"})
    await store.enqueue(
        [card(1), card(1, name="plan"), card(1, "slack:C2"), theirs, card(2)], now=NOW
    )
    owed = DeliveryState.OWED
    assert await states(store) == [DeliveryState.LAPSED, owed, owed, owed]
    assert [row.state for row in await store.deliveries("INC-1")] == [owed]


async def test_a_version_in_flight_is_left_alone_and_the_next_waits_for_it(store: Store) -> None:
    await store.enqueue([card(1)], now=NOW)
    assert await claimed(store) == ["version 1"]
    await store.enqueue([card(2)], now=NOW)
    assert await claimed(store) == []
    await store.settle_sent(card(1).id, receipt("one"), now=NOW)
    assert await store.card_receipt(CHANNEL, "status", "") == receipt("one")
    assert await claimed(store) == ["version 2"]
    await store.settle_sent(card(2).id, receipt("two"), now=NOW)
    assert await store.card_receipt(CHANNEL, "status", "") == receipt("two")


async def test_a_version_to_be_tried_again_lapses_when_there_is_a_newer_one(store: Store) -> None:
    await store.enqueue([card(1)], now=NOW)
    assert await claimed(store) == ["version 1"]
    await store.enqueue([card(2)], now=NOW)
    await store.settle_retry(card(1).id, due_at=NOW, error="timeout", unknown=False)
    assert await states(store) == [DeliveryState.LAPSED, DeliveryState.OWED]
    assert await claimed(store) == ["version 2"]


async def test_a_newer_version_does_not_jump_the_wait_that_the_destination_asked_for(
    store: Store,
) -> None:
    await store.enqueue([card(1), post("behind")], now=NOW)
    assert await claimed(store) == ["version 1"]
    await store.settle_retry(card(1).id, due_at=after(60), error="rate_limited", unknown=False)
    await store.enqueue([card(2)], now=after(1))
    assert await store.next_delivery_at() == after(60)
    assert await claimed(store, now=after(59)) == []
    assert await claimed(store, now=after(60)) == ["behind"]


async def test_a_first_version_that_may_have_arrived_is_looked_for_before_the_next(
    store: Store,
) -> None:
    # Otherwise the next version would be posted beside it.
    await store.enqueue([card(1)], now=NOW)
    assert await claimed(store) == ["version 1"]
    await store.settle_retry(card(1).id, due_at=NOW, error="timeout", unknown=True)
    await store.enqueue([card(2)], now=NOW)
    [row] = await store.claim_deliveries(owner="a", now=NOW, ttl=TTL)
    assert (row.delivery, row.unknown) == (card(1), True)
    await store.settle_sent(card(1).id, receipt(), now=NOW)
    assert await claimed(store) == ["version 2"]


async def test_a_later_version_that_may_have_arrived_lapses(store: Store) -> None:
    # The card is there; updating it twice does no harm.
    await store.enqueue([card(1)], now=NOW)
    await claimed(store)
    await store.settle_sent(card(1).id, receipt(), now=NOW)
    await store.enqueue([card(2)], now=NOW)
    assert await claimed(store) == ["version 2"]
    await store.enqueue([card(3)], now=NOW)
    assert await claimed(store, now=after(31)) == ["version 3"]
    sent, lapsed = DeliveryState.SENT, DeliveryState.LAPSED
    assert await states(store) == [sent, lapsed, DeliveryState.IN_FLIGHT]


async def test_a_failed_version_does_not_bring_an_older_one_back(store: Store) -> None:
    await store.enqueue([card(1), card(2)], now=NOW)
    assert await claimed(store) == ["version 2"]
    await store.settle_failed(card(2).id, "invalid_blocks", now=NOW)
    assert await claimed(store, now=after(99)) == []
    assert await store.card_receipt(CHANNEL, "status", "") is None
    await store.enqueue([card(3)], now=NOW)
    assert await claimed(store) == ["version 3"]
