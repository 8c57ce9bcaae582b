"""The store's contract: a process that died is known to be dead, and only such a one."""

from __future__ import annotations

import asyncio
import signal

from bot.store.open import open_store
from bot.store.schema import Session
from bot.store.store import Store
from tests.contracts.store_support import NOW, TTL, after, claimed, post, processes

HOLDER = """
import asyncio, sys
from bot.store.open import open_store
from tests.contracts.store_support import NOW, TTL, claimed, post

async def main(url, owner):
    store = open_store(url)
    await store.start()
    await store.register(owner)
    lease = await store.acquire("job", owner=owner, ttl=TTL, now=NOW)
    await store.enqueue([post("1"), post("2")], now=NOW)
    await claimed(store, owner=owner)
    print(lease.fence, flush=True)
    sys.stdin.readline()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_process_that_stands_still_is_alive_and_after_kill_9_another_goes_on_at_once(
    store: Store, other_store: Store, store_url: str
) -> None:
    await store.register("survivor")
    with processes(HOLDER, [(store_url, "victim")]) as [victim]:
        fence = int(victim.stdout.readline())
        victim.send_signal(signal.SIGSTOP)
        assert await store.bury() == ()
        assert await store.acquire("job", owner="survivor", ttl=TTL, now=after(20)) is None
        assert await claimed(store, now=after(20), owner="survivor") == []
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    told: list[tuple[str, ...]] = []
    while not any(told):  # a server may need a moment to see that its client is gone
        told = await asyncio.gather(*(one.bury() for one in (store, other_store) * 2))
    assert sorted(told) == [(), (), (), ("victim",)]
    lease = await store.acquire("job", owner="survivor", ttl=TTL, now=NOW)
    assert lease is not None
    assert lease.fence > fence
    [row] = await store.claim_deliveries(owner="survivor", now=NOW, ttl=TTL)
    assert row.delivery == post("1")
    assert row.unknown
    assert row.attempts == 2


async def test_a_successor_of_the_same_name_does_not_wait_for_its_predecessors_claims(
    store: Store, store_url: str
) -> None:
    with processes(HOLDER, [(store_url, "bot-0")]) as [predecessor]:
        fence = int(predecessor.stdout.readline())
        predecessor.kill()
        await store.register("bot-0")
    lease = await store.acquire("job", owner="bot-0", ttl=TTL, now=NOW)
    assert lease is not None
    assert lease.fence > fence
    assert await claimed(store, owner="bot-0") == ["1"]


async def test_living_owners_do_not_bury_each_other_nor_themselves(
    store: Store, other_store: Store
) -> None:
    for owner, one in (("a", store), ("b", other_store)):
        await one.register(owner)
        await one.register(owner)
        await one.acquire(f"job of {owner}", owner=owner, ttl=TTL, now=NOW)
    assert [await one.bury() for one in (store, other_store)] == [(), ()]
    assert await store.acquire("job of b", owner="a", ttl=TTL, now=NOW) is None
    assert await other_store.acquire("job of a", owner="b", ttl=TTL, now=NOW) is None


async def test_who_never_registered_is_left_to_its_ttls(store: Store, store_url: str) -> None:
    stranger = open_store(store_url)
    await stranger.start()
    await stranger.acquire("job", owner="stranger", ttl=TTL, now=NOW)
    await stranger.enqueue([post("1")], now=NOW)
    await claimed(stranger, owner="stranger")
    await stranger.close()
    assert await store.bury() == ()
    assert await store.acquire("job", owner="b", ttl=TTL, now=after(29)) is None
    assert await claimed(store, now=after(29)) == []


async def test_who_closes_the_store_leaves_nothing_behind(store: Store, store_url: str) -> None:
    leaving = open_store(store_url)
    await leaving.start()
    await leaving.register("leaving")
    await leaving.acquire("job", owner="leaving", ttl=TTL, now=NOW)
    await leaving.enqueue([post("1")], now=NOW)
    await claimed(leaving, owner="leaving")
    await leaving.close()
    await leaving.close()
    assert await store.bury() == ()
    lease = await store.acquire("job", owner="b", ttl=TTL, now=NOW)
    assert lease is not None
    assert lease.fence == 2
    [row] = await store.claim_deliveries(owner="b", now=NOW, ttl=TTL)
    assert row.unknown


async def test_who_registered_elsewhere_is_forgotten_and_left_to_its_ttls(
    store: Store,
) -> None:
    async def register_elsewhere(session: Session) -> None:
        await session.rows("INSERT INTO owners (name, home) VALUES ('far', 'another host')")

    async def owners(session: Session) -> list[str]:
        return [row["name"] for row in await session.rows("SELECT name FROM owners")]

    await store._write(register_elsewhere)
    await store.acquire("job", owner="far", ttl=TTL, now=NOW)
    assert await store.bury() == ()
    assert await store.acquire("job", owner="b", ttl=TTL, now=after(29)) is None
    assert await store._read(owners) == []
    assert await store.bury() == ()
    assert await store.acquire("job", owner="b", ttl=TTL, now=after(29)) is None
    assert await store.acquire("job", owner="b", ttl=TTL, now=after(30)) is not None
