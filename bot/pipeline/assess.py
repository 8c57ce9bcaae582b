"""Assess: a draft that fills itself with figures, and the verdict on it."""

from __future__ import annotations

import uuid
from datetime import timedelta

from bot.domain.assessment import Assessment, Figures, decide
from bot.domain.draft import Draft, Prefill
from bot.domain.values import Actor
from bot.errors import RefusedError
from bot.pipeline import episodes
from bot.pipeline.context import Context
from bot.pipeline.figures import measure
from bot.ports.store import Document

KIND = "draft"
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
        alerts=await episodes.firing(context, service, opened_from=prefill_id),
    )
    await _keep(context, draft)
    figures = await measure(context, service)
    prefill = await _prefill(context, prefill_id) if prefill_id else None
    said = _said(prefill, service, figures) if prefill else None
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


def _said(prefill: Prefill, service: str, figures: Figures) -> Assessment:
    reported = with_reported_figures(
        figures, error_rate=prefill.error_rate, latency_ms=prefill.latency_ms
    )
    return Assessment(service=service, figures=reported, description=prefill.description)


async def load(context: Context, draft_id: str) -> Draft:
    """A stored draft; raises RefusedError when it is gone."""
    document = await context.store.get(KIND, draft_id)
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
        kind=KIND,
        id=draft.id,
        body=draft.model_dump(mode="json"),
        expires_at=draft.opened_at + DRAFT_LIFE,
    )
    await context.store.put(document)
