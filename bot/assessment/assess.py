"""Assess: a draft that fills itself with figures, and the verdict on it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from bot.assessment.figures import measure
from bot.communication import announcements
from bot.communication.blocks import Message
from bot.core.errors import RefusedError
from bot.core.values import Actor, Instant, Value
from bot.engine.context import Context
from bot.engine.engine import each
from bot.engine.journal import Decision
from bot.incident import events as e
from bot.incident.alerts import Episode, HeardAlert, heard, news
from bot.incident.assessment import (
    Assessment,
    Draft,
    Figures,
    Prefill,
    Verdict,
    VerdictKind,
    decide,
)
from bot.incident.state import Incident
from bot.store.delivery import Action, Delivery
from bot.store.values import Document

# What is known of alerts, for whoever begins or keeps an incident's record.

EPISODES = "alert"
"""The kind of document that one episode is."""


async def episodes(context: Context) -> list[Episode]:
    """Every episode that is kept, of every service."""
    documents = await context.store.documents(EPISODES)
    return [Episode.model_validate(document.body) for document in documents]


async def firing(
    context: Context, service: str, *, opened_from: str = ""
) -> tuple[HeardAlert, ...]:
    """The service's alerts that fire now, the oldest first.

    ``opened_from`` is the id of the episode that somebody acts on: its alerts count also when
    they have just ended.
    """
    now, forget_after = context.clock.now(), context.catalog.alerts.forget_after
    found: dict[str, HeardAlert] = {}
    for episode in await episodes(context):
        # Without a word for so long, nobody knows whether it fires still.
        if episode.service != service or now - episode.heard_at >= forget_after:
            continue
        alerts = episode.firing
        if episode.id == opened_from:
            alerts = alerts or episode.alerts
        for alert in map(heard, alerts):
            known = found.setdefault(alert.fingerprint, alert)
            if alert.started_at < known.started_at:
                found[alert.fingerprint] = alert
    return tuple(sorted(found.values(), key=lambda alert: alert.started_at))


async def record(context: Context, incident_id: str, told: Sequence[HeardAlert]) -> None:
    """Write down what the incident has not heard of yet; nothing when it knows everything.

    Raises as ``Journal.record`` does. It may be repeated, and by several processes at once.
    """

    def decide(incident: Incident) -> Decision | None:
        found = news(
            incident.alerts, told, since=incident.declared.assessed_at, is_open=incident.is_open
        )
        return Decision(events=(e.AlertReceived(alerts=found),)) if found else None

    await context.journal.record(incident_id, decide)


DRAFTS = "draft"
DRAFT_LIFE = timedelta(hours=12)
PREFILL = "prefill"
PREFILL_LIFE = timedelta(days=7)
"""A button that is older opens an empty assessment."""


def new_draft_id() -> str:
    """An id for a draft, known before anything is stored so that the modal opens at once."""
    return uuid.uuid4().hex


async def check_request(context: Context, service: str, actor: Actor) -> None:
    """Refuse what cannot begin: an unknown service, a second incident, a person without right.

    Raises RefusedError with what to do instead.
    """
    context.service(service)
    for head in await context.store.incidents(service=service, open_only=True, limit=1):
        incident = await context.journal.load(head.id)
        where = f"<#{incident.channel.channel_id}>" if incident.channel else "its channel"
        raise RefusedError(
            f"{service} already has an open incident, {head.id}.",
            f"Join it in {where}; one service has one rollback at a time.",
        )
    allowed = context.catalog.people.requesters
    if allowed:
        resolution = await context.chat.resolve(allowed)
        if actor.id not in {person.id for person in resolution.people}:
            raise RefusedError(
                "You may not declare incidents.",
                "Ask a person listed under people.requesters in rollback.yml, or an on-call lead.",
            )


async def begin(
    context: Context,
    *,
    draft_id: str,
    service: str,
    actor: Actor,
    asked_in: str,
    prefill_id: str = "",
) -> Draft:
    """Store a draft and fill in the live figures, and what the prefill says, if it is kept."""
    await check_request(context, service, actor)
    draft = Draft(
        id=draft_id,
        service=service,
        by=actor,
        asked_in=asked_in,
        opened_at=context.clock.now(),
        # What monitoring noticed before anybody asked, whichever way the form was opened.
        alerts=await firing(context, service, opened_from=prefill_id),
    )
    await _keep(context, draft)
    figures = await measure(context, service)
    prefill = await _prefill(context, prefill_id) if prefill_id else None
    said = _prefilled(prefill, service, figures) if prefill else None
    measured = draft.model_copy(update={"figures": figures, "assessment": said})
    await _keep(context, measured)
    return measured


async def keep_prefill(context: Context, prefill: Prefill) -> None:
    """Keep what an assessment can begin with; repeated, the newest words hold."""
    document = Document(
        kind=PREFILL,
        id=prefill.id,
        body=prefill.model_dump(mode="json"),
        expires_at=context.clock.now() + PREFILL_LIFE,
    )
    await context.store.put(document)


async def _prefill(context: Context, prefill_id: str) -> Prefill | None:
    document = await context.store.get(PREFILL, prefill_id)
    return Prefill.model_validate(document.body) if document else None


def _prefilled(prefill: Prefill, service: str, figures: Figures) -> Assessment:
    reported = with_reported_figures(
        figures, error_rate=prefill.error_rate, latency_ms=prefill.latency_ms
    )
    return Assessment(service=service, figures=reported, description=prefill.description)


async def load(context: Context, draft_id: str) -> Draft:
    """A stored draft; raises RefusedError when it is gone."""
    document = await context.store.get(DRAFTS, draft_id)
    if document is None:
        raise RefusedError("This form is no longer open on our side.", "Type `/rollback` again.")
    return Draft.model_validate(document.body)


async def submit(context: Context, draft_id: str, assessment: Assessment) -> Draft:
    """Add what the person knows and let the matrix decide."""
    draft = await load(context, draft_id)
    verdict = decide(assessment, context.service(draft.service).thresholds)
    judged = draft.model_copy(update={"assessment": assessment, "verdict": verdict})
    await _keep(context, judged)
    return judged


def with_reported_figures(
    figures: Figures, *, error_rate: float | None, latency_ms: float | None
) -> Figures:
    """Figures in which a person's reading fills what could not be measured."""
    changes: dict[str, object] = {}
    if figures.error_rate is None and error_rate is not None:
        changes["error_rate"] = error_rate
    if figures.latency_ms is None and latency_ms is not None:
        changes["latency_ms"] = latency_ms
    return figures.model_copy(update=changes)


async def _keep(context: Context, draft: Draft) -> None:
    document = Document(
        kind=DRAFTS,
        id=draft.id,
        body=draft.model_dump(mode="json"),
        expires_at=draft.opened_at + DRAFT_LIFE,
    )
    await context.store.put(document)


# MONITOR declares nothing: it watches, and comes back to the person when things worsen.

log = structlog.get_logger()

WATCHES = "watch"


class Watch(Value):
    """A service that somebody wants to hear of if it gets worse."""

    draft: Draft
    until: Instant


async def start(context: Context, draft: Draft) -> Watch:
    """Watch a service for the person who assessed it; once more for the same draft is a no-op."""
    until = context.clock.now() + context.catalog.assessment.watch_for
    watch = Watch(draft=draft, until=until)
    await context.store.put(Document(kind=WATCHES, id=draft.id, body=watch.model_dump(mode="json")))
    return watch


async def look(context: Context) -> None:
    """Look at every watched service once; called by the scheduler. One failing stops no other."""
    await each(context, WATCHES, Watch, _look_at)


async def _look_at(context: Context, watch: Watch) -> None:
    draft, now = watch.draft, context.clock.now()
    if draft.service not in context.catalog.services:
        await context.store.delete(WATCHES, draft.id)
        return
    if await context.store.incidents(service=draft.service, open_only=True, limit=1):
        await context.store.delete(WATCHES, draft.id)
        return
    figures = await measure(context, draft.service)
    verdict = _judge(context, draft, figures)
    if verdict.kind is not VerdictKind.MONITOR:
        said = announcements.worsened(draft.service, verdict, figures, since=draft.opened_at)
        await _tell(context, draft, said, now)
    elif now >= watch.until:
        await _tell(context, draft, announcements.still_fine(draft.service, figures), now)


def _judge(context: Context, draft: Draft, figures: Figures) -> Verdict:
    if draft.assessment is None:
        raise RefusedError(f"Draft {draft.id} has no assessment.", "Type `/rollback` again.")
    news: dict[str, object] = {"figures": figures}
    if figures.business_shortfall is not None:
        # What is measured now outweighs what a person knew at the beginning.
        news["business_drop"] = figures.business_shortfall
    assessment = draft.assessment.model_copy(update=news)
    return decide(assessment, context.service(draft.service).thresholds)


async def _tell(context: Context, draft: Draft, message: Message, now: datetime) -> None:
    # The delivery's id is the watch's: telling twice is impossible even if the next line fails.
    delivery = Delivery(
        id=f"watch/{draft.id}",
        destination=f"slack:{draft.by.id}",
        action=Action.POST,
        payload=message.payload(),
    )
    await context.store.enqueue([delivery], now=now)
    await context.store.delete(WATCHES, draft.id)
    log.info("watch ended", service=draft.service)
