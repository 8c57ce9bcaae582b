"""Messages to customers: what a status page gets, and the card on which people decide about it."""

from __future__ import annotations

from typing import Literal

from slack_sdk.models.blocks import Block, ButtonElement

from bot.domain.assessment import Severity
from bot.domain.destinations import label_of
from bot.domain.events import ExternalMessage
from bot.domain.external import round_of
from bot.domain.incident import Incident, OutsideMessage, OutsideState
from bot.domain.values import Instant
from bot.ports.deliveries import StatusMessage
from bot.views import ids, labels
from bot.views.kit import SECTION, actions, button, compose, confirmation, context, header, section
from bot.views.markup import clean, escape, inline, moment, pages, people, quote
from bot.views.message import Message
from bot.views.telling import Public, for_customers
from bot.views.texts import Rendered, Texts

EDITABLE = 3_000
"""Slack's limit for a text that is edited in a modal, in characters."""
_PIECE = 500
"""Characters of a quoted line, which may be five times as many once they are escaped."""
_MOST_SECTIONS = 4

_IMPACT: dict[Severity, Literal["critical", "major", "minor"]] = {
    Severity.CRITICAL: "critical",
    Severity.HIGH: "major",
}
ComponentStatus = Literal["operational", "degraded_performance", "partial_outage", "major_outage"]


def external_text(
    incident: Incident, public: Public, texts: Texts, now: Instant, message: ExternalMessage
) -> Rendered:
    """The words of a message to customers."""
    variables = for_customers(incident, public, now, message=message)
    return texts.render(f"external_{message.value}.txt.j2", variables)


def status_message(
    incident: Incident, public: Public, texts: Texts, now: Instant, sent: OutsideMessage
) -> StatusMessage:
    """The payload for status pages and webhooks."""
    message, declared = sent.message, incident.declared
    variables = for_customers(incident, public, now, message=message)
    text = sent.text or external_text(incident, public, texts, now, message).text
    over = message is ExternalMessage.RESOLVED
    return StatusMessage(
        incident=incident.id,
        round=round_of(incident),
        status=message.value,
        title=" ".join(texts.render("external_title.txt.j2", variables).text.split()),
        text=text,
        service=public.service,
        severity=declared.verdict.severity.value,
        impact=_IMPACT.get(declared.verdict.severity, "minor"),
        component_status=_component(incident, message),
        started_at=declared.assessed_at,
        at=now,
        resolved_at=(incident.judged_at or now) if over else None,
    )


def _component(incident: Incident, message: ExternalMessage) -> ComponentStatus:
    if message is ExternalMessage.RESOLVED:
        return "operational"
    if message is ExternalMessage.MONITORING:
        return "degraded_performance"
    if incident.declared.assessment.service_down:
        return "major_outage"
    severe = incident.declared.verdict.severity in {Severity.CRITICAL, Severity.HIGH}
    return "partial_outage" if severe else "degraded_performance"


def draft_card(incident: Incident, draft: OutsideMessage, readers: tuple[str, ...]) -> Message:
    """A message to customers with its fate; ``readers`` are the destinations it is for."""
    said = _TITLES[draft.state].format(draft.message.value)
    told: list[Block] = [header(said), *_words(draft.text)]
    if draft.state is OutsideState.WAITING:
        told.append(section(f"*Next:* {_asked(incident)}"))
        told += actions(_buttons(incident, draft))
    told.append(context(_fate(incident, draft, readers)))
    return compose(f"{escape(said)}\n{inline(draft.text, 400)}", told)


def _words(text: str) -> list[Block]:
    """The whole message: nobody can answer for words that they were not shown."""
    lines = [line for line in clean(text).splitlines() if line.strip()]
    pieces = [
        f"> {escape(line[start : start + _PIECE])}"
        for line in lines
        for start in range(0, len(line), _PIECE)
    ]
    told = pages(pieces, SECTION, most=_MOST_SECTIONS, more="too long to be shown here")
    return [section(page) for page in told if page] or [section(quote(text))]


_TITLES = {
    OutsideState.WAITING: "✋ Message to customers waits for you: “{}”",
    OutsideState.SENT: "📣 Message to customers: “{}”",
    OutsideState.DISCARDED: "🗑️ Message to customers discarded: “{}”",
    OutsideState.LAPSED: "⚪ Message to customers replaced by a newer one: “{}”",
}


def _asked(incident: Incident) -> str:
    if incident.external_held_by is None:
        held = "The hold has ended, but this draft still waits for a person."
    else:
        held = f"{people((incident.external_held_by,))} holds messages to customers."
    return (
        f"{held} The Communication Coordinator, the Incident Commander or a release manager "
        f"presses “{labels.SEND_EXTERNAL}”, “{labels.EDIT_EXTERNAL}” or "
        f"“{labels.DISCARD_EXTERNAL}”. A newer message takes its place by itself."
    )


def _fate(incident: Incident, draft: OutsideMessage, readers: tuple[str, ...]) -> str:
    who = ", ".join(inline(reader, 80) for reader in readers) or "no destination of the catalog"
    if draft.state is OutsideState.WAITING:
        return f"{incident.id} · written {moment(draft.at)} · goes to {who}"
    by = people((draft.by,)) if draft.by and not draft.by.is_bot else "the bot"
    if draft.state is OutsideState.SENT:
        edited = ", in their own words" if draft.edited else ""
        return f"{incident.id} · sent by {by}{edited} {moment(draft.at)} to {who}"
    return f"{incident.id} · {draft.state.value} by {by} {moment(draft.at)} · nobody outside saw it"


def _buttons(incident: Incident, draft: OutsideMessage) -> list[ButtonElement]:
    value = f"{incident.id} {draft.number}"
    question = confirmation(
        "Send this to customers?",
        "It goes to every destination named below, as it stands here.",
        yes=labels.SEND_EXTERNAL,
        style="primary",
    )
    found = [
        button(labels.SEND_EXTERNAL, ids.SEND_EXTERNAL, value, style="primary", confirm=question)
    ]
    if len(draft.text) <= EDITABLE:
        found.append(button(labels.EDIT_EXTERNAL, ids.OPEN_EDIT_EXTERNAL, value))
    found.append(button(labels.DISCARD_EXTERNAL, ids.DISCARD_EXTERNAL, value, style="danger"))
    return found


def hold_buttons(incident: Incident) -> list[ButtonElement]:
    """Hold messages to customers, or let them go by themselves again."""
    if not incident.is_open:
        return []
    if incident.external_held_by is None:
        question = confirmation(
            "Hold messages to customers?",
            "From now on each of them waits for a person's word. What was sent stays sent; your "
            "own people are told as before.",
            yes="Hold them",
        )
        label, action = labels.HOLD_EXTERNAL, ids.HOLD_EXTERNAL
    else:
        question = confirmation(
            "Let messages to customers go?",
            "From now on they go out by themselves. Drafts that wait now still wait for a person.",
            yes="Let them go",
        )
        label, action = labels.FREE_EXTERNAL, ids.FREE_EXTERNAL
    return [button(label, action, incident.id, confirm=question)]


def told_outside(incident: Incident) -> list[str]:
    """What every destination beside Slack took last, one line each."""
    lines = [
        f"• {inline(label_of(told.destination), 80)}: {inline(told.what, 60)}"
        + (f" — receipt {inline(told.reference, 120)}" if told.reference else "")
        for told in incident.told
    ]
    if incident.external_held_by is not None:
        by = people((incident.external_held_by,))
        lines.append(f"• ✋ Messages to customers wait for a person: held by {by}")
    if _left_open(incident):
        lines.append(
            "• ⚠️ Customers were never told that it is over, because recovery is not proven. When "
            "you know that users are well, close the incident on the status page by hand."
        )
    return lines


def _left_open(incident: Incident) -> bool:
    """Whether the incident ended while customers still read that there is trouble."""
    last = incident.external_sent[-1] if incident.external_sent else None
    return not incident.is_open and last is not None and last is not ExternalMessage.RESOLVED
