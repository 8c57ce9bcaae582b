"""Values that the tests of the store share."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.incident.events import AnyEvent, Noted
from bot.store.delivery import Action, Delivery, Receipt
from bot.store.store import Store
from bot.store.values import Batch, IncidentHead

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
TTL = timedelta(seconds=30)
CHANNEL = "slack:C1"

NewUrl = Callable[[], str]
"""Gives the URL of an empty database, another one at each call."""


def after(seconds: float) -> datetime:
    """The moment so many seconds after NOW."""
    return NOW + timedelta(seconds=seconds)


def note(what: str) -> AnyEvent:
    """The smallest event there is."""
    return Noted(subject="test", what=what)


def notes(*what: str) -> Batch:
    """A batch of small events."""
    return Batch(events=tuple(note(one) for one in what))


async def declare(store: Store, service: str = "checkout", batch: Batch | None = None) -> str:
    """Open an incident; its id."""
    head = await declared(store, service, batch)
    return head.id


async def declared(
    store: Store, service: str = "checkout", batch: Batch | None = None
) -> IncidentHead:
    """Open an incident."""
    first = batch or notes("declared")
    return await store.declare(service=service, now=NOW, make=lambda incident_id: first)


def post(name: str, destination: str = CHANNEL, incident_id: str = "") -> Delivery:
    """A message to a channel."""
    return Delivery(
        id=f"{incident_id}/{name}",
        incident_id=incident_id,
        destination=destination,
        action=Action.POST,
        payload={"text": name},
    )


def card(version: int, destination: str = CHANNEL, name: str = "status") -> Delivery:
    """A version of a card."""
    return Delivery(
        id=f"/{name}/{destination}/{version}",
        destination=destination,
        action=Action.CARD,
        card=name,
        payload={"text": f"version {version}"},
    )


def receipt(reference: str = "1700000000.000100") -> Receipt:
    """Proof of arrival."""
    return Receipt(reference=reference, channel_id="C1")


async def claimed(store: Store, *, now: datetime = NOW, owner: str = "a") -> list[str]:
    """Claim what is due; the payloads' texts in order."""
    rows = await store.claim_deliveries(owner=owner, now=now, ttl=TTL)
    return [str(row.delivery.payload["text"]) for row in rows]


@contextmanager
def processes(script: str, arguments: Sequence[Sequence[str]]) -> Iterator[list[Any]]:
    """Python processes that run a script, and are ended at the latest with the test."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script, *each],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for each in arguments
    ]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()
