"""The relapse watch: a recovery that was proven is looked after, also when it is resolved.

Of a plan over several services each is watched against what is normal for it; whichever gets worse
opens the incident again, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from bot.domain import events as e
from bot.domain.incident import Incident, Phase
from bot.domain.proof import is_proven
from bot.domain.recovery import Judgement, complete_buckets
from bot.domain.relapse import relapsed
from bot.domain.values import Instant
from bot.errors import RefusedError
from bot.pipeline import releases
from bot.pipeline.context import Context
from bot.pipeline.journal import Decision
from bot.pipeline.measuring import counted
from bot.pipeline.notices import notices
from bot.pipeline.relapse_watch import KIND, Watch, Watched, document_of, watch_of
from bot.pipeline.rounds import each
from bot.views.relapse import relapsed_elsewhere

__all__ = ["KIND", "Watch", "document_of", "look", "watch_of"]

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class _Found:
    """One service that got worse again."""

    service: str
    judgement: Judgement
    since: Instant


async def look(context: Context) -> None:
    """Look at every watched service once; called by the scheduler. One failing stops no other."""
    await each(context, KIND, Watch, _look_at)


async def _look_at(context: Context, watch: Watch) -> None:
    incident = await context.journal.load(watch.incident_id)
    now = context.clock.now()
    if incident.phase is Phase.VERIFYING and now < watch.until:
        # Verified again: not over yet.
        return
    if incident.standing is not None and now < watch.until:
        # Another plan is talked about: until it runs, what was proven well is still there.
        return
    newest = incident.relapses[-1] if incident.relapses else None
    if newest is not None and newest.at >= watch.since:
        # A process that died here had recorded the relapse, and not yet cleared up.
        await _clear_up(context, watch, newest.event)
        return
    known = [one for one in watch.services if one.service in context.catalog.services]
    if not is_proven(incident) or not known:
        await context.store.delete(KIND, watch.incident_id)
        return
    event = await _relapse(context, watch, known)
    if event is not None:
        await _say(context, watch, event)
        await _clear_up(context, watch, event)
    elif now >= watch.until:
        await context.store.delete(KIND, watch.incident_id)


async def _relapse(context: Context, watch: Watch, known: Sequence[Watched]) -> e.Relapsed | None:
    """What got worse again, if anything; the figures are those of the first, the own before others.

    What was found about another service says in its reasons which.
    """
    # Each gets one look behind its time, as the whole watch does.
    late = context.catalog.assessment.watch_every
    found = [
        worse
        for one in known
        if context.clock.now() < one.until + late
        if (worse := await _worse(context, watch, one)) is not None
    ]
    if not found:
        return None
    reasons = tuple(
        reason if worse.service == watch.service else f"{worse.service}: {reason}"
        for worse in found
        for reason in worse.judgement.reasons
    )
    return e.Relapsed(
        judgement=found[0].judgement.model_copy(update={"reasons": reasons}),
        since=found[0].since,
        services=tuple(worse.service for worse in found),
    )


async def _worse(context: Context, watch: Watch, one: Watched) -> _Found | None:
    """What the newest complete intervals prove, over a short window and a longer one."""
    policy = context.catalog.verification_of(one.service).judge
    metrics = context.service(one.service).metrics
    now = context.clock.now()
    known = now - (metrics.late_by if metrics else timedelta(0))
    width = timedelta(seconds=policy.bucket_seconds)
    windows = (policy.minimum_buckets, 3 * policy.minimum_buckets)
    start = max(watch.since, known - windows[-1] * width)
    if known <= start:
        return None
    outcome = await counted(context, one.service, start, known)
    if isinstance(outcome, str):
        log.info(
            "recovery not measured", incident=watch.incident_id, service=one.service, why=outcome
        )
        return None
    buckets = complete_buckets(outcome.buckets, known)
    every = context.catalog.assessment.watch_every
    # The risk of a false alarm is the watch's, however many services it looks at.
    rounds = max(1, round((one.until - watch.since) / every))
    looks = len(watch.services) * len(windows) * rounds
    for size in windows:
        judgement = relapsed(one.baseline, buckets[-size:], policy, looks=looks)
        if judgement is not None:
            since = buckets[-size:][0].start
            return _Found(service=one.service, judgement=judgement, since=since)
    return None


async def _say(context: Context, watch: Watch, event: e.Relapsed) -> None:
    """Reopen the incident, or tell its people where another one of the service is open."""
    others = await _open_for(context, watch, event.services)
    if len(others) == len(event.services) and watch.service not in event.services:
        # Each has an incident of its own by now: two would work on the same service.
        await _tell(context, watch, event, taken=event.services[0], other=others[0])
        return

    def decide(incident: Incident) -> Decision | None:
        if not is_proven(incident):
            return None
        return Decision(events=(event,), reopens=True)

    try:
        await context.journal.record(watch.incident_id, decide)
    except RefusedError as refused:
        other = await _open_for(context, watch, (watch.service,))
        await _tell(
            context,
            watch,
            event,
            taken=watch.service,
            other=other[0] if other else None,
            why=refused.what,
        )
        return
    log.warning("the service relapsed", services=event.services, incident=watch.incident_id)


async def _open_for(
    context: Context, watch: Watch, services: Sequence[str]
) -> tuple[Incident, ...]:
    """The open incidents that these services have of their own, beside the one that is watched."""
    found = []
    for service in services:
        heads = await context.store.incidents(service=service, open_only=True, limit=1)
        if heads and heads[0].id != watch.incident_id:
            found.append(await context.journal.load(heads[0].id))
    return tuple(found)


async def _tell(
    context: Context,
    watch: Watch,
    event: e.Relapsed,
    *,
    taken: str,
    other: Incident | None,
    why: str = "",
) -> None:
    """Once, into the channel of the incident that is open and into that of the closed one."""
    log.warning("relapse beside another incident", incident=watch.incident_id)
    channels = list(watch.channels)
    if other is not None and other.channel is not None:
        channels.insert(0, other.channel.channel_id)
    message = relapsed_elsewhere(
        taken, watch.incident_id, other.id if other else "", event, why=why
    )
    identity = f"{watch.incident_id}/relapse/{watch.since.timestamp():.6f}"
    owed = notices(identity, message, dict.fromkeys(channels))
    await context.store.enqueue(owed, now=context.clock.now())


async def _clear_up(context: Context, watch: Watch, event: e.Relapsed) -> None:
    """The release does not serve well after all where it got worse, and the watch is over."""
    worse = event.services or (watch.service,)
    for one in watch.services:
        if one.service in worse:
            await releases.forget(context, one.service, one.release)
    await context.store.delete(KIND, watch.incident_id)
