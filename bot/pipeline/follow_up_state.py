"""The document that says of an incident that something is still to come after its report."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from bot.backoff import Backoff
from bot.domain.incident import Incident
from bot.domain.values import Instant, Value
from bot.pipeline.context import Context
from bot.ports.store import Document

KIND = "follow-up"
BACKOFF = Backoff(first=120.0, longest=3600.0)
ISSUES_EVERY = timedelta(hours=1)
"""How often GitHub is asked whether issues were closed."""


class FollowUpState(Value):
    """What the events do not tell: when others are asked next."""

    incident_id: str
    tries: int = 0
    """Later rounds of paperwork."""
    try_at: Instant
    until: Instant
    """After this, paperwork that still fails is left to people."""
    issues_at: Instant
    unseen: dict[int, Instant] = Field(default_factory=dict)
    """Actions whose issue GitHub does not show, and since when; a lost right is often given back
    within the week."""


async def set_up(context: Context, incident: Incident) -> None:
    """Have an incident looked after; from anew when it was resolved once more."""
    await put(context, _fresh(context, incident))


async def going_on(context: Context, incident: Incident) -> tuple[Document, ...]:
    """What has an incident looked after again if everything seemed to be over.

    To be written with the event that there is something to come.
    """
    if await context.store.get(KIND, incident.id) is not None:
        return ()
    return (_document(_fresh(context, incident)),)


async def load(context: Context, incident_id: str) -> FollowUpState | None:
    """What is remembered now; None when everything is over."""
    document = await context.store.get(KIND, incident_id)
    return FollowUpState.model_validate(document.body) if document else None


async def put(context: Context, state: FollowUpState) -> None:
    """Remember it."""
    await context.store.put(_document(state))


def _fresh(context: Context, incident: Incident) -> FollowUpState:
    now = context.clock.now()
    return FollowUpState(
        incident_id=incident.id,
        try_at=now + timedelta(seconds=BACKOFF.first),
        until=now + context.catalog.paperwork.retry_for,
        issues_at=now + ISSUES_EVERY,
    )


def _document(state: FollowUpState) -> Document:
    return Document(kind=KIND, id=state.incident_id, body=state.model_dump(mode="json"))
