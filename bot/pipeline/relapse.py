"""The relapse watch: a recovery that was proven is looked after, also when it is resolved."""

from __future__ import annotations

from datetime import timedelta

import structlog

from bot.domain import events as e
from bot.domain.incident import Incident, Phase
from bot.domain.proof import is_proven
from bot.domain.recovery import Baseline, complete_buckets
from bot.domain.relapse import relapsed
from bot.domain.values import Instant, Value
from bot.errors import RefusedError
from bot.pipeline import releases
from bot.pipeline.context import Context
from bot.pipeline.journal import Decision
from bot.pipeline.measuring import counted
from bot.pipeline.rounds import each
from bot.ports.deliveries import Action, Delivery
from bot.ports.store import Document
from bot.views.relapse import relapsed_elsewhere

log = structlog.get_logger()

KIND = "relapse"


class Watch(Value):
    """A service whose recovery was proven a short while ago."""

    incident_id: str
    service: str
    release: str
    """What serves since the rollback, and is marked good."""
    baseline: Baseline
    since: Instant
    until: Instant
    channels: tuple[str, ...] = ()
    """Where it is said when another incident of the service is open by then."""


def watch_of(context: Context, incident: Incident) -> Watch | None:
    """How a service that is about to be called recovered is watched; None when it is not."""
    verification = context.catalog.verification_of(incident.declared.service)
    baseline = incident.verification.baseline if incident.verification else None
    if verification.watch_after is None or baseline is None or incident.plan is None:
        return None
    now = context.clock.now()
    return Watch(
        incident_id=incident.id,
        service=incident.declared.service,
        release=incident.plan.to_release,
        baseline=baseline,
        since=now,
        until=now + verification.watch_after,
        channels=(incident.channel.channel_id,) if incident.channel else (),
    )


def document_of(watch: Watch) -> Document:
    """Without an expiry of the store's own: the last look decides when it is over."""
    return Document(kind=KIND, id=watch.incident_id, body=watch.model_dump(mode="json"))


async def look(context: Context) -> None:
    """Look at every watched service once; called by the scheduler. One failing stops no other."""
    await each(context, KIND, Watch, _look_at)


async def _look_at(context: Context, watch: Watch) -> None:
    incident = await context.journal.load(watch.incident_id)
    if incident.phase is Phase.VERIFYING and context.clock.now() < watch.until:
        # Verified again: not over yet.
        return
    if incident.relapses and incident.relapses[-1].at >= watch.since:
        # A process that died here had recorded the relapse, and not yet cleared up.
        await _clear_up(context, watch)
        return
    if not is_proven(incident) or watch.service not in context.catalog.services:
        await context.store.delete(KIND, watch.incident_id)
        return
    event = await _relapse(context, watch)
    if event is not None:
        await _say(context, watch, event)
        await _clear_up(context, watch)
    elif context.clock.now() >= watch.until:
        await context.store.delete(KIND, watch.incident_id)


async def _relapse(context: Context, watch: Watch) -> e.Relapsed | None:
    """What the newest complete intervals prove, over a short window and a longer one."""
    policy = context.catalog.verification_of(watch.service).judge
    metrics = context.service(watch.service).metrics
    now = context.clock.now()
    known = now - (metrics.late_by if metrics else timedelta(0))
    width = timedelta(seconds=policy.bucket_seconds)
    windows = (policy.minimum_buckets, 3 * policy.minimum_buckets)
    start = max(watch.since, known - windows[-1] * width)
    if known <= start:
        return None
    outcome = await counted(context, watch.service, start, known)
    if isinstance(outcome, str):
        log.info("recovery not measured", incident=watch.incident_id, why=outcome)
        return None
    buckets = complete_buckets(outcome.buckets, known)
    every = context.catalog.assessment.watch_every
    looks = len(windows) * max(1, round((watch.until - watch.since) / every))
    for size in windows:
        judgement = relapsed(watch.baseline, buckets[-size:], policy, looks=looks)
        if judgement is not None:
            return e.Relapsed(judgement=judgement, since=buckets[-size:][0].start)
    return None


async def _say(context: Context, watch: Watch, event: e.Relapsed) -> None:
    """Reopen the incident, or tell its people where another one of the service is open."""

    def decide(incident: Incident) -> Decision | None:
        if not is_proven(incident):
            return None
        return Decision(events=(event,), reopens=True)

    try:
        await context.journal.record(watch.incident_id, decide)
    except RefusedError as refused:
        log.warning("relapse beside another incident", incident=watch.incident_id)
        await _tell(context, watch, event, refused)
        return
    log.warning("the service relapsed", service=watch.service, incident=watch.incident_id)


async def _tell(context: Context, watch: Watch, event: e.Relapsed, refused: RefusedError) -> None:
    """Once, into the channel of the incident that is open and into that of the closed one."""
    heads = await context.store.incidents(service=watch.service, open_only=True, limit=1)
    channels = list(watch.channels)
    other = ""
    if heads:
        present = await context.journal.load(heads[0].id)
        other = present.id
        if present.channel is not None:
            channels.insert(0, present.channel.channel_id)
    message = relapsed_elsewhere(watch.service, watch.incident_id, other, event, why=refused.what)
    deliveries = [
        Delivery(
            # The watch's own identity: said once, even if the next line fails.
            id=f"{watch.incident_id}/relapse/{watch.since.timestamp():.6f}/{channel}",
            destination=f"slack:{channel}",
            action=Action.POST,
            payload=message.payload(),
        )
        for channel in dict.fromkeys(channels)
    ]
    await context.store.enqueue(deliveries, now=context.clock.now())


async def _clear_up(context: Context, watch: Watch) -> None:
    """The release does not serve well after all, and the watch is over."""
    await releases.forget(context, watch.service, watch.release)
    await context.store.delete(KIND, watch.incident_id)
