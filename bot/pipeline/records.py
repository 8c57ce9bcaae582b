"""Statistics out of the store: every incident is read once, and again when it has changed."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta

from bot.domain.statistics import Outcome, Statistics, outcome_of, statistics_of
from bot.domain.window import WINDOW
from bot.pipeline.context import Context
from bot.pipeline.deployments import ledgers
from bot.ports.store import IncidentHead

MOST_INCIDENTS = 1000
"""Incidents of a span that are read; more are said to be missing."""


class Records:
    """Remembers what each incident meant, by its number of events."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[int, Outcome]] = OrderedDict()

    async def outcome(self, context: Context, head: IncidentHead) -> Outcome:
        """What one incident means."""
        seq, known = self._known.get(head.id, (-1, None))
        if known is None or seq != head.seq:
            known = outcome_of(head.id, await context.journal.events(head.id))
        self._known[head.id] = (head.seq, known)
        self._known.move_to_end(head.id)
        if len(self._known) > MOST_INCIDENTS:
            self._known.popitem(last=False)
        return known

    async def statistics(
        self, context: Context, *, service: str | None = None, window: timedelta = WINDOW
    ) -> Statistics:
        """The numbers of the span up to now.

        Raises RefusedError for a service that the catalog does not have.
        """
        if service is not None:
            context.service(service)
        end = context.clock.now()
        start = end - window
        heads = await context.store.incidents(service=service, limit=MOST_INCIDENTS)
        # Newest first; an incident is declared after its detection, so older ones cannot count.
        recent = [head for head in heads if head.opened_at >= start]
        outcomes = [await self.outcome(context, head) for head in recent]
        found = statistics_of(
            outcomes, await ledgers(context), start=start, end=end, service=service
        )
        if len(recent) < MOST_INCIDENTS:
            return found
        missing = f"Only the newest {MOST_INCIDENTS} incidents are counted; ask for a shorter time."
        return found.model_copy(update={"unknown": (missing, *found.unknown)})
