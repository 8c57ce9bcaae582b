"""Every message and every modal there is, for tests that hold for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from bot.assessment import modals
from bot.communication import announcements, cards, outcomes, recovery_card
from bot.communication import modals as modals_
from bot.communication import replies as replies_
from bot.communication.blocks import Message
from bot.communication.frame import Frame
from bot.core.errors import RefusedError, TemporaryError
from bot.home import replies
from bot.incident.assessment import Draft, VerdictKind
from bot.incident.state import Incident
from tests.communication.aftermath import (
    forms_after,
    messages_after,
    messages_beside,
    outside_cards,
)


def cards_of(incident: Incident, frame: Frame) -> Iterator[Message]:
    """The cards that exist in this state."""
    yield cards.status_card(incident, frame)
    if incident.plan:
        yield cards.plan_card(incident, frame)
    if incident.execution_started_at:
        yield cards.progress_card(incident, frame)
    if incident.verification:
        yield recovery_card.recovery_card(incident, frame)


def posts_of(incident: Incident, frame: Frame) -> Iterator[Message]:
    """The posts about an incident."""
    yield announcements.announcement(incident, frame, eta_seconds=75.0)
    yield announcements.stakeholder_announcement(incident, frame)
    yield announcements.team_assembled(incident, frame)
    yield announcements.escalated(incident, frame)
    yield announcements.update_post(incident, frame, number=2)
    yield outcomes.completion_post(incident, frame)
    yield outcomes.resolved_post(incident, frame)
    yield replies.status_reply([incident] * 30, frame.now)
    yield replies.history_reply([incident] * 30, frame.now)


def messages_of(incident: Incident, frame: Frame, words: str) -> Iterator[Message]:
    """The messages of what comes after a verdict and beside the incidents."""
    yield from messages_after(frame, words)
    yield from messages_beside(incident, words)
    yield from outside_cards(incident, words)


def other_messages(draft: Draft, words: str) -> Iterator[Message]:
    """Messages outside any incident."""
    yield replies.help_reply([("status", "open incidents")])
    yield replies.choose_service([f"{draft.service[:30]}-{n}" for n in range(300)])
    yield replies.choose_service([])
    yield replies.unknown_service(words, [draft.service, "billing"])
    yield replies_.refusal(RefusedError(words, words))
    yield replies_.refusal(TemporaryError(words))
    if draft.figures and draft.verdict:
        service, figures = draft.service, draft.figures
        yield announcements.worsened(service, draft.verdict, figures, since=draft.opened_at)
        yield announcements.still_fine(service, figures)


def views_of(incident: Incident, draft: Draft, words: str) -> Iterator[dict[str, Any]]:
    """Every modal."""
    yield modals.assessment_loading(draft.service, draft.id)
    yield modals.assessment_form(draft, problem=words)
    yield modals.assessment_form(draft.model_copy(update={"figures": None, "assessment": None}))
    if draft.verdict and draft.verdict.kind is VerdictKind.MONITOR:
        yield modals.monitor_view(draft, watch_for=timedelta(minutes=30))
    elif draft.verdict:
        yield modals.decision_form(draft)
    yield modals_.resolve_form(incident)
    yield modals_.reject_form(incident.id, "f" * 64)
    yield modals_.words_form(incident.id)
    yield modals_.replan_form(incident)
    yield modals_.message_view(words, words)
    yield from forms_after(draft, words)
