"""What goes on at fixed intervals without anybody asking: one line a job."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from bot.pipeline import deployments, follow_up, freeze, relapse, reminders, tripwire, watch
from bot.pipeline.context import Context
from bot.ports.metrics import Record
from bot.ports.scheduler import Scheduler

RECONCILE = timedelta(seconds=15)
"""How often this process looks after incidents that another one may have left."""
TRIPWIRE = timedelta(minutes=1)
FOLLOW_UP = timedelta(minutes=1)
FREEZE = timedelta(minutes=1)
REMINDERS = timedelta(minutes=10)
PRUNE = timedelta(hours=1)
KEEP_SCRAPES = timedelta(days=2)

Look = Callable[[Context], Awaitable[None]]


def schedule(
    scheduler: Scheduler,
    context: Context,
    record: Record,
    *,
    reconcile: Callable[[], Awaitable[None]],
) -> None:
    """Hand every job to the scheduler; each asks the store what is due, so none may be missed."""
    watching = context.catalog.assessment.watch_every
    looks: tuple[tuple[str, timedelta, Look], ...] = (
        ("watch", watching, watch.look),
        ("tripwire", TRIPWIRE, tripwire.look),
        ("follow up", FOLLOW_UP, follow_up.look),
        ("relapse", watching, relapse.look),
        ("deployments", deployments.LOOK_EVERY, deployments.look),
        ("freeze", FREEZE, freeze.look),
        ("reminders", REMINDERS, reminders.look),
        ("prune", PRUNE, prune),
    )
    scheduler.every("reconcile", RECONCILE, reconcile)
    for name, interval, look in looks:
        scheduler.every(name, interval, partial(look, context))
    soon = context.clock.now() + deployments.FIRST_LOOK
    scheduler.at("first look at deployments", soon, partial(deployments.look, context))
    for name, entry in context.catalog.services.items():
        if entry.metrics and (every := entry.metrics.recorded_every):
            job = partial(record, name, entry)
            scheduler.every(f"scrape {name}", every, job)
            # What is normal begins to be known with the first reading, not a round later.
            scheduler.at(f"first scrape {name}", context.clock.now(), job)


async def prune(context: Context) -> None:
    """Forget what nobody needs any more."""
    await context.store.prune(now=context.clock.now(), keep_scrapes=KEEP_SCRAPES)
