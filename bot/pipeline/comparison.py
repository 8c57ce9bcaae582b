"""What changed: the commits and pull requests between the target and the withdrawn release."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from bot.config.paperwork import GitHubSettings
from bot.domain import events as e
from bot.domain.incident import Incident
from bot.errors import RollbackBotError
from bot.pipeline.attempts import Paper, attempt, record_if
from bot.pipeline.context import Context
from bot.ports.store import Lease

log = structlog.get_logger()

MOST_LISTED = 100
"""Commits, and pull requests, that an incident keeps; the link leads to all of them."""
PATIENCE = timedelta(seconds=15)
"""While people read the plan nothing waits for the comparison."""


def place_of(context: Context, incident: Incident) -> GitHubSettings | None:
    """The service's repository; None without one, or when the service has left the catalog."""
    entry = context.catalog.services.get(incident.declared.service)
    return entry.github if entry else None


def tags_of(context: Context, incident: Incident) -> tuple[str, str] | None:
    """Tags of the target and of the withdrawn release; None when code is not what is changed.

    A flag that is switched and a migration that is taken back have no tags.
    """
    place, plan = place_of(context, incident), incident.plan
    if place is None or plan is None or plan.undoes or plan.version_after is not None:
        return None
    return place.tag_of(plan.to_release), place.tag_of(plan.from_release)


def is_owed(context: Context, incident: Incident) -> bool:
    """Whether what changed is not known for the present plan."""
    tags, known = tags_of(context, incident), incident.compared
    return tags is not None and (known is None or (known.base, known.head) != tags)


async def write(context: Context, incident: Incident, lease: Lease | None) -> None:
    """Compare, and record what was found."""
    place, tags = place_of(context, incident), tags_of(context, incident)
    if place is None or tags is None:
        return
    base, head = tags
    found = await context.forge.compare(place, base, head)
    compared = e.ChangesCompared(
        base=base,
        head=head,
        url=found.url,
        # The newest are the likelier causes.
        commits=found.commits[-MOST_LISTED:],
        pull_requests=found.pull_requests[-MOST_LISTED:],
        total_commits=found.total_commits,
    )

    def still_owed(now: Incident) -> bool:
        # Another process may have told it meanwhile, or another plan be on the table.
        return tags_of(context, now) == tags and is_owed(context, now)

    await record_if(context, incident, compared, still_owed, lease=lease)


PAPER = Paper(name="What changed", is_owed=is_owed, write=write)


class Comparer:
    """Compares in the background as soon as a plan is known, once for each plan."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tried: dict[str, str] = {}
        self._running: set[asyncio.Task[None]] = set()

    def look(self, incident: Incident) -> None:
        """An incident has changed: compare if that is new. Never blocks."""
        plan = incident.plan
        if plan is None or not incident.is_open or self._tried.get(incident.id) == plan.hash:
            return
        if incident.channel is None or not is_owed(self._context, incident):
            return
        self._tried[incident.id] = plan.hash
        task = asyncio.create_task(self._compare(incident), name=f"compare {incident.id}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def stop(self) -> None:
        """End what runs; the report's paperwork makes it up."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _compare(self, incident: Incident) -> None:
        try:
            await attempt(self._context, incident, PAPER, patience=PATIENCE)
        except RollbackBotError as error:
            # The failure could not even be noted; it is tried again before the report.
            log.warning("comparison left", incident=incident.id, error=str(error))
