"""The store's contract between processes: rivals on one database, and ``kill -9``."""

from __future__ import annotations

import asyncio
import json
import signal

from bot.store.delivery import DeliveryState
from bot.store.open import open_store
from tests.contracts.store_support import NewUrl, declare, note, post, processes

RIVAL = """
import asyncio, json, sys
from bot.store.open import open_store
from bot.core.errors import ConcurrencyError, RefusedError
from bot.store.delivery import Receipt
from tests.contracts.store_support import NOW, TTL, declare, notes

async def main(url, owner, incident):
    store = open_store(url)
    print("ready", flush=True)
    sys.stdin.readline()
    await store.start()
    won = {"owner": owner, "declared": [], "delivered": [], "appended": []}
    lease = await store.acquire("job", owner=owner, ttl=TTL, now=NOW)
    won["lease"] = lease is not None
    for n in range(10):
        try:
            won["declared"].append(await declare(store, f"service-{n}"))
        except RefusedError:
            pass
    for n in range(20):
        try:
            expected = len(await store.load(incident))
            await store.append(incident, expected=expected, batch=notes(f"{owner} {n}"), now=NOW)
            won["appended"].append(f"{owner} {n}")
        except ConcurrencyError:
            pass
    while await store.next_delivery_at() is not None:
        for row in await store.claim_deliveries(owner=owner, now=NOW, ttl=TTL, limit=3):
            won["delivered"].append(row.delivery.id)
            await store.settle_sent(row.delivery.id, Receipt(reference=owner), now=NOW)
    await store.close()
    print(json.dumps(won), flush=True)

asyncio.run(main(*sys.argv[1:]))
"""

WRITER = """
import asyncio, sys
from bot.store.open import open_store
from bot.store.values import Batch
from tests.contracts.store_support import NOW, note, post

async def main(url, incident):
    store = open_store(url)
    await store.start()
    n = len(await store.load(incident))
    while True:
        batch = Batch(
            events=(note(str(n)),),
            deliveries=(post(str(n), incident_id=incident),),
            request_id=str(n),
        )
        n = await store.append(incident, expected=n, batch=batch, now=NOW)
        print(n, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


def test_rival_processes_share_one_database_without_doing_anything_twice(
    new_store_url: NewUrl,
) -> None:
    url = new_store_url()

    async def prepare() -> str:
        store = open_store(url)
        await store.start()
        incident = await declare(store)
        owed = [post(str(n), f"slack:C{n % 4}", incident) for n in range(40)]
        await store.enqueue(owed, now=(await store.incidents())[0].opened_at)
        await store.close()
        return incident

    async def outcome(incident: str) -> tuple[list[str], list[str], list[str]]:
        store = open_store(url)
        await store.start()
        events = [getattr(item.event, "what", "") for item in await store.load(incident)]
        ids = sorted(head.id for head in await store.incidents())
        rows = await store.deliveries(incident)
        await store.close()
        return events, ids, [row.delivery.id for row in rows if row.state is DeliveryState.SENT]

    incident = asyncio.run(prepare())
    owners = ("a", "b")
    with processes(RIVAL, [(url, owner, incident) for owner in owners]) as rivals:
        for rival in rivals:
            assert rival.stdout.readline() == "ready\n"
        for rival in rivals:
            rival.stdin.write("go\n")
            rival.stdin.flush()
        won = [json.loads(rival.stdout.readline()) for rival in rivals]

    events, ids, sent = asyncio.run(outcome(incident))
    assert [each["lease"] for each in won].count(True) == 1
    assert sorted(id_ for each in won for id_ in each["declared"]) == ids[1:]
    assert ids == [f"INC-2026-{n:03d}" for n in range(1, 12)]
    assert sorted(events[1:]) == sorted(what for each in won for what in each["appended"])
    assert sorted(id_ for each in won for id_ in each["delivered"]) == sorted(sent)
    assert len(sent) == 40


def test_processes_that_start_at_once_on_an_empty_database_agree_on_its_tables(
    new_store_url: NewUrl,
) -> None:
    async def start_together() -> None:
        for _ in range(5):
            url = new_store_url()
            stores = [open_store(url) for _ in range(4)]
            await asyncio.gather(*(store.start() for store in stores))
            assert await declare(stores[0]) == "INC-2026-001"
            assert len(await stores[3].incidents()) == 1
            await asyncio.gather(*(store.close() for store in stores))

    asyncio.run(start_together())


def test_kill_9_loses_no_acknowledged_event_and_doubles_none(new_store_url: NewUrl) -> None:
    url = new_store_url()

    async def prepare() -> str:
        store = open_store(url)
        await store.start()
        incident = await declare(store)
        await store.close()
        return incident

    incident = asyncio.run(prepare())
    acknowledged = 1
    for lines in (7, 60):
        with processes(WRITER, [(url, incident)]) as [writer]:
            for _ in range(lines):
                acknowledged = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            # What it was told before the signal struck.
            acknowledged = int(([str(acknowledged), *writer.stdout.read().split()])[-1])

        async def check(acknowledged: int) -> None:
            store = open_store(url)
            await store.start()
            recorded = await store.load(incident)
            rows = await store.deliveries(incident)
            await store.close()
            assert acknowledged <= len(recorded) <= acknowledged + 1
            assert [item.seq for item in recorded] == list(range(1, len(recorded) + 1))
            expected = [note(str(n)) for n in range(1, len(recorded))]
            assert [item.event for item in recorded[1:]] == expected
            texts = [row.delivery.payload["text"] for row in rows]
            assert texts == [str(n) for n in range(1, len(recorded))]

        asyncio.run(check(acknowledged))
