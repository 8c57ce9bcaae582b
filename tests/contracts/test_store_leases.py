"""The store's contract: leases."""

from __future__ import annotations

import asyncio

from bot.store.store import Store
from bot.store.values import Lease
from tests.contracts.store_support import NOW, TTL, after


async def test_a_lease_belongs_to_one_owner_until_it_expires(
    store: Store, other_store: Store
) -> None:
    lease = await store.acquire("INC-1", owner="a", ttl=TTL, now=NOW)
    assert lease == Lease(name="INC-1", owner="a", fence=1, expires_at=NOW + TTL)
    assert await other_store.acquire("INC-1", owner="b", ttl=TTL, now=after(29)) is None
    taken = await other_store.acquire("INC-1", owner="b", ttl=TTL, now=after(30))
    assert taken == Lease(name="INC-1", owner="b", fence=2, expires_at=after(60))
    assert await store.acquire("INC-1", owner="a", ttl=TTL, now=after(31)) is None


async def test_renewing_a_lease_keeps_its_fence_and_moves_its_end(store: Store) -> None:
    await store.acquire("INC-1", owner="a", ttl=TTL, now=NOW)
    renewed = await store.acquire("INC-1", owner="a", ttl=TTL, now=after(20))
    assert renewed == Lease(name="INC-1", owner="a", fence=1, expires_at=after(50))
    assert await store.acquire("INC-1", owner="b", ttl=TTL, now=after(49)) is None


async def test_a_lease_given_back_is_free_at_once_under_a_higher_fence(store: Store) -> None:
    first = await store.acquire("INC-1", owner="a", ttl=TTL, now=NOW)
    assert first is not None
    await store.release(first)
    second = await store.acquire("INC-1", owner="b", ttl=TTL, now=NOW)
    assert second is not None
    assert second.fence > first.fence


async def test_giving_back_a_lost_lease_does_not_take_it_from_its_new_owner(store: Store) -> None:
    old = await store.acquire("INC-1", owner="a", ttl=TTL, now=NOW)
    assert old is not None
    assert await store.acquire("INC-1", owner="b", ttl=TTL, now=after(31)) is not None
    await store.release(old)
    await store.release(old)
    assert await store.acquire("INC-1", owner="c", ttl=TTL, now=after(32)) is None


async def test_leases_of_different_names_are_independent(store: Store) -> None:
    for name in ("INC-1", "INC-2"):
        assert await store.acquire(name, owner=name, ttl=TTL, now=NOW) is not None


async def test_of_many_who_ask_at_once_one_gets_the_lease(store: Store, other_store: Store) -> None:
    results = await asyncio.gather(
        *(
            one.acquire("INC-1", owner=str(n), ttl=TTL, now=NOW)
            for n, one in enumerate([store, other_store] * 5)
        )
    )
    assert sum(lease is not None for lease in results) == 1
