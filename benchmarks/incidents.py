"""Incidents written to a store as the bot would have written them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from bot.incident import events as e
from bot.store.sqlite import SqliteStore
from bot.store.values import Batch
from tests.incident.story import complete, declaration


async def store_closed(path: Path, service: str, count: int) -> None:
    """So many incidents of the past, each with its whole journey, a day apart.

    The last one was opened the day before the story of the tests begins.
    """
    story = [recorded.event for recorded in complete().recorded]
    declared = declaration().model_copy(update={"service": service})
    rest = (*story[1:], e.ReportPublished(files=("report.md", "report.html", "report.json")))
    first = complete().recorded[0].at - timedelta(days=count)
    store = SqliteStore(path)
    await store.start()
    try:
        for number in range(count):
            opened_at = first + timedelta(days=number)
            head = await store.declare(
                service=service, now=opened_at, make=partial(_beginning, declared)
            )
            batch = Batch(events=rest, closes=True)
            await store.append(
                head.id, expected=head.seq, batch=batch, now=opened_at + timedelta(hours=1)
            )
    finally:
        await store.close()


async def store_open(path: Path, channels: Sequence[tuple[str, str]], opened_at: datetime) -> None:
    """One open incident a service, given with its channel's id, that waits for people.

    All were declared at the same moment, so that their updates fall due together.
    """
    store = SqliteStore(path)
    await store.start()
    try:
        for service, channel_id in channels:
            declared = declaration().model_copy(update={"service": service})
            rest = (
                e.ChannelOpened(channel_id=channel_id, channel_name=f"inc-{service}"),
                e.TeamAssigned(roles=()),
                e.PlanningFailed(what="There is no earlier revision.", remedy="Name a release."),
            )
            head = await store.declare(
                service=service, now=opened_at, make=partial(_beginning, declared)
            )
            await store.append(head.id, expected=head.seq, batch=Batch(events=rest), now=opened_at)
    finally:
        await store.close()


def _beginning(declared: e.Declared, _: str) -> Batch:
    return Batch(events=(declared,))
