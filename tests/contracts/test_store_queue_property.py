"""Whatever workers do, and in whichever order: each message once, each card at its newest.

The workers are those of the bot in small: they look before they send again what may have
arrived, and update a card where it stands. They may die, dawdle, or be told to wait.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bot.store.delivery import Action, Delivery, DeliveryRow, DeliveryState, Receipt
from bot.store.open import open_store
from bot.store.store import Store
from tests.contracts.store_support import NOW, TTL, NewUrl, card, post

PENDING = {DeliveryState.OWED, DeliveryState.IN_FLIGHT}
DESTINATIONS = ("slack:C1", "slack:C2")

OPERATIONS = st.one_of(
    st.tuples(st.just("post"), st.sampled_from(DESTINATIONS)),
    st.tuples(st.just("card"), st.sampled_from(DESTINATIONS)),
    st.tuples(
        st.just("work"),
        st.sampled_from(
            ["well", "refused", "arrived, died", "died", "arrived, unsure", "unsure", "dawdles"]
        ),
    ),
    st.tuples(st.just("wake"), st.just("")),
    st.tuples(st.just("wait"), st.sampled_from(["1", "40"])),
)


@dataclass(kw_only=True)
class Destination:
    """What arrived: the messages in order, and the text of each card."""

    posts: list[str] = field(default_factory=list)
    cards: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


@dataclass(kw_only=True)
class World:
    """Two stores on one database, the destinations, and a clock."""

    stores: tuple[Store, Store]
    now: datetime = NOW
    made: int = 0
    arrived: dict[str, Receipt] = field(default_factory=dict)
    destinations: dict[str, Destination] = field(
        default_factory=lambda: {name: Destination() for name in DESTINATIONS}
    )
    owed: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    newest: dict[str, str] = field(default_factory=dict)
    dawdlers: list[tuple[Store, DeliveryRow]] = field(default_factory=list)

    async def owe(self, kind: str, destination: str) -> None:
        self.made += 1
        new = card(self.made, destination) if kind == "card" else post(str(self.made), destination)
        if kind == "card":
            self.newest[destination] = str(new.payload["text"])
        else:
            self.owed[destination].append(str(new.payload["text"]))
        await self.stores[self.made % 2].enqueue([new], now=self.now)

    async def work(self, how: str) -> None:
        store = self.stores[len(how) % 2]
        rows = await store.claim_deliveries(owner=how, now=self.now, ttl=TTL)
        assert len({row.delivery.destination for row in rows}) == len(rows)
        for row in rows:
            await self._attempt(store, row, how)

    async def _attempt(self, store: Store, row: DeliveryRow, how: str) -> None:
        delivery = row.delivery
        found = self.arrived.get(delivery.id) if row.unknown else None
        if found is not None:
            await store.settle_sent(delivery.id, found, now=self.now)
            return
        if how in {"well", "dawdles", "arrived, died", "arrived, unsure"}:
            await self._arrive(store, delivery)
        if how == "well":
            await store.settle_sent(delivery.id, self.arrived[delivery.id], now=self.now)
        elif how == "dawdles":
            self.dawdlers.append((store, row))
        elif not how.endswith("died"):
            await store.settle_retry(
                delivery.id,
                due_at=self.now + timedelta(seconds=10),
                error=how,
                unknown=how.endswith("unsure"),
            )

    async def _arrive(self, store: Store, delivery: Delivery) -> None:
        there = self.destinations[delivery.destination]
        reference = delivery.id
        text = str(delivery.payload["text"])
        if delivery.action is Action.CARD:
            previous = await store.card_receipt(delivery.destination, delivery.card, "")
            reference = previous.reference if previous else reference
            there.cards[reference].append(text)
        else:
            there.posts.append(text)
        self.arrived[delivery.id] = Receipt(reference=reference)

    async def wake(self) -> None:
        """A worker that was slow gives its claim back, perhaps long after it lost it."""
        if self.dawdlers:
            store, row = self.dawdlers.pop(0)
            await store.settle_retry(row.delivery.id, due_at=self.now, error="slow", unknown=True)

    async def drain(self) -> None:
        """Work well until nothing is left; it takes a few turns for each delivery at most."""
        left = 3 * self.made
        while any(row.state in PENDING for row in await self.stores[0].deliveries("")):
            assert left > 0
            left -= 1
            self.now += TTL + timedelta(seconds=1)
            await self.work("well")


async def play(url: str, operations: list[tuple[str, str]]) -> World:
    """Do the operations, then work well until nothing is owed."""
    stores = (open_store(url), open_store(url))
    for store in stores:
        await store.start()
    world = World(stores=stores)
    for kind, argument in operations:
        if kind in {"post", "card"}:
            await world.owe(kind, argument)
        elif kind == "work":
            await world.work(argument)
        elif kind == "wake":
            await world.wake()
        else:
            world.now += timedelta(seconds=int(argument))
    await world.drain()
    assert await stores[0].next_delivery_at() is None
    for store in stores:
        await store.close()
    return world


@settings(
    max_examples=20,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(operations=st.lists(OPERATIONS, min_size=5, max_size=25))
def test_each_message_arrives_once_in_order_and_each_card_ends_at_its_newest_version(
    new_store_url: NewUrl, operations: list[tuple[str, str]]
) -> None:
    world = asyncio.run(play(new_store_url(), operations))
    for name, destination in world.destinations.items():
        assert destination.posts == world.owed[name]
        shown = [versions[-1] for versions in destination.cards.values()]
        assert shown == ([world.newest[name]] if name in world.newest else [])
