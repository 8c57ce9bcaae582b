"""Statistics out of the store: every incident is read once, and again when it has changed."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta

import structlog

from bot.core.backoff import within
from bot.core.defaults import WINDOW
from bot.core.errors import PermanentError, RollbackBotError
from bot.core.values import Instant, Value, spoken
from bot.engine.context import Context
from bot.engine.measuring import SOURCE
from bot.home.model import Deployment, Ledger, Outcome, Statistics, outcome_of, statistics_of
from bot.metrics.port import Series
from bot.store.values import Document, IncidentHead

# Which releases the bot saw serve for the first time: what a change-fail rate is a share of.

log = structlog.get_logger()

LOOK_EVERY = timedelta(minutes=5)
FIRST_LOOK = timedelta(minutes=1)
"""After the start: by then requests were counted."""
PATIENCE = timedelta(seconds=30)
"""So long the metrics source may take: nobody waits, but the next service is behind it."""
WATCHED, SEEN = "deployments", "deployment"
"""Kinds of documents: one a service, and one a release of it."""
OVERLAP = timedelta(minutes=1)
"""Looks overlap, so that a request between two readings is not lost."""
LONGEST_LOOK = timedelta(days=2)
"""So far back readings are kept."""
ABSENCE = timedelta(minutes=15)
"""After this the bot was away; what served then may have gone unseen."""
KEEP = timedelta(days=400)
"""A release that has not served for so long is forgotten."""


class Watched(Value):
    """How far the bot has looked at a service."""

    service: str
    since: Instant | None = None
    """From when on a new release would have been noticed."""
    looked_at: Instant | None = None
    blind_seconds: float = 0.0
    """Time since then in which the bot was away and nothing was counted."""
    problem: str = ""


class SeenRelease(Value):
    """A release that served."""

    service: str
    release: str
    at: Instant
    counted: bool
    """False for those that served already when the bot began to look."""


async def look(context: Context) -> None:
    """Look at every service once; called by the scheduler."""
    for service in context.catalog.services:
        try:
            await _look_at(context, service)
        except RollbackBotError as error:
            # The next look goes back to where the last good one ended.
            log.info("deployments not looked at", service=service, error=str(error))
        except Exception:
            # A defect about one service must not keep the others from being looked at.
            log.exception("deployments not looked at", service=service)


async def _look_at(context: Context, service: str) -> None:
    now = context.clock.now()
    before = await _watched(context, service)
    start = now - LOOK_EVERY
    if before.looked_at:
        start = max(before.looked_at - OVERLAP, now - LONGEST_LOOK)
    seconds = context.catalog.verification_of(service).judge.bucket_seconds
    entry = context.service(service)
    work = context.metrics.series(service, entry, start=start, end=now, seconds=seconds)
    late_by = entry.metrics.late_by if entry.metrics else timedelta(0)
    series = await within(PATIENCE + late_by, work, SOURCE)
    if isinstance(series, PermanentError):
        await _keep(context, before.model_copy(update={"problem": series.what}))
        return
    if isinstance(series, RollbackBotError):
        raise series
    if not series.requests:
        # Nobody used it, or nothing was read: neither tells which release serves.
        return
    serving = [name for name, count in series.requests_by_release.items() if name and count]
    if not serving:
        problem = "its metrics do not tell which release answered"
        await _keep(context, before.model_copy(update={"problem": problem}))
        return
    for release in serving:
        await _see(context, service, release, now, counted=before.since is not None)
    after = {
        "since": before.since or now,
        "looked_at": now,
        "blind_seconds": before.blind_seconds + _blind(before, series, now),
        "problem": "",
    }
    await _keep(context, before.model_copy(update=after))


def _blind(before: Watched, series: Series, now: datetime) -> float:
    if before.looked_at is None or now - before.looked_at < ABSENCE:
        return 0.0
    unread = sum(bucket.seconds for bucket in series.buckets if not bucket.requests)
    beyond = (now - before.looked_at - LONGEST_LOOK).total_seconds()
    return unread + max(0.0, beyond)


async def _see(
    context: Context, service: str, release: str, now: datetime, *, counted: bool
) -> None:
    key = f"{service}/{release}"
    kept = await context.store.get(SEEN, key)
    if kept is not None and kept.expires_at and kept.expires_at - now > KEEP / 2:
        return
    seen = SeenRelease(service=service, release=release, at=now, counted=counted)
    body = kept.body if kept is not None else seen.model_dump(mode="json")
    await context.store.put(Document(kind=SEEN, id=key, body=body, expires_at=now + KEEP))


async def _watched(context: Context, service: str) -> Watched:
    document = await context.store.get(WATCHED, service)
    return Watched.model_validate(document.body) if document else Watched(service=service)


async def _keep(context: Context, watched: Watched) -> None:
    await context.store.put(
        Document(kind=WATCHED, id=watched.service, body=watched.model_dump(mode="json"))
    )


async def ledgers(context: Context) -> tuple[Ledger, ...]:
    """What is known of every service's deployments, with what is missing and why."""
    watched = [Watched.model_validate(d.body) for d in await context.store.documents(WATCHED)]
    seen = [SeenRelease.model_validate(d.body) for d in await context.store.documents(SEEN)]
    by_name = {item.service: item for item in watched}
    return tuple(
        _ledger(by_name.get(service) or Watched(service=service), seen)
        for service in sorted(context.catalog.services)
    )


def _ledger(watched: Watched, seen: list[SeenRelease]) -> Ledger:
    service = watched.service
    return Ledger(
        service=service,
        since=watched.since,
        deployments=tuple(
            Deployment(service=service, release=item.release, at=item.at)
            for item in seen
            if item.service == service and item.counted
        ),
        problem=_problem(watched),
    )


def _problem(watched: Watched) -> str:
    if watched.problem:
        known = "are not known" if watched.since is None else "are no longer counted"
        said = watched.problem.rstrip(".")
        return f"Deployments of {watched.service} {known}: {said}. Correct its metrics."
    if watched.since is None:
        return (
            f"Deployments of {watched.service} are not known yet: the bot has counted no request "
            "of it. They are counted from the first one on."
        )
    if watched.blind_seconds >= 1:
        return (
            f"The bot was away for {spoken(watched.blind_seconds)} of the time in which it counts "
            f"deployments of {watched.service}: releases that came and went then are missing."
        )
    return ""


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
