"""Messages to customers: hold them, let them go, and decide about each that waits.

Who may: the Communication Coordinator, the Incident Commander and release managers.
"""

from __future__ import annotations

from typing import Any, Literal

from slack_sdk.models.blocks import (
    Block,
    ButtonElement,
    InputBlock,
    PlainTextInputElement,
    PlainTextObject,
)

from bot.communication import forms, ids, markup
from bot.communication.blocks import (
    SECTION,
    Message,
    actions,
    button,
    compose,
    confirmation,
    context,
    header,
    section,
)
from bot.communication.markup import clean, escape, inline, moment, pages, people, quote
from bot.communication.template_values import Public, for_customers
from bot.communication.texts import Rendered, Texts
from bot.core.errors import RefusedError
from bot.core.values import Actor, Instant
from bot.engine.context import Context
from bot.engine.journal import Decision
from bot.engine.rights import rights_of
from bot.incident import events as e
from bot.incident.approval import Right
from bot.incident.assessment import Severity
from bot.incident.events import ExternalMessage
from bot.incident.external import check_truth, draft_on_the_table, label_of, round_of
from bot.incident.state import Incident, OutsideMessage, OutsideState
from bot.store.delivery import StatusMessage

# Messages to customers: what a status page gets, and the card on which people decide about it.

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
        f"presses “{markup.SEND_EXTERNAL}”, “{markup.EDIT_EXTERNAL}” or "
        f"“{markup.DISCARD_EXTERNAL}”. A newer message takes its place by itself."
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
        yes=markup.SEND_EXTERNAL,
        style="primary",
    )
    found = [
        button(markup.SEND_EXTERNAL, ids.SEND_EXTERNAL, value, style="primary", confirm=question)
    ]
    if len(draft.text) <= EDITABLE:
        found.append(button(markup.EDIT_EXTERNAL, ids.OPEN_EDIT_EXTERNAL, value))
    found.append(button(markup.DISCARD_EXTERNAL, ids.DISCARD_EXTERNAL, value, style="danger"))
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
        label, action = markup.HOLD_EXTERNAL, ids.HOLD_EXTERNAL
    else:
        question = confirmation(
            "Let messages to customers go?",
            "From now on they go out by themselves. Drafts that wait now still wait for a person.",
            yes="Let them go",
        )
        label, action = markup.FREE_EXTERNAL, ids.FREE_EXTERNAL
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


# The form in which a person rewrites a message to customers.
#
# ``EDIT_EXTERNAL``: ``TEXT``. ``private_metadata`` is the incident's id, a space, the draft's
# number.


def edit_external_form(incident: Incident, draft: OutsideMessage) -> dict[str, Any]:
    """The draft's words, ready to be changed and sent."""
    words = InputBlock(
        block_id=ids.TEXT,
        label=PlainTextObject(text="What customers read"),
        element=PlainTextInputElement(
            action_id=ids.TEXT,
            initial_value=clean(draft.text)[:EDITABLE] or None,
            multiline=True,
            max_length=EDITABLE,
        ),
        hint=PlainTextObject(text="Plain words: no release names, no internals, nobody's name."),
    )
    asked = section(f"Your words replace the text of “{draft.message.value}” and are sent at once.")
    return forms.modal(
        "Message to customers",
        [asked, words],
        callback_id=ids.EDIT_EXTERNAL,
        submit="Send",
        close="Cancel",
        private_metadata=f"{incident.id} {draft.number}",
    )


_ROLES = frozenset({e.Role.COMMUNICATION_COORDINATOR, e.Role.INCIDENT_COMMANDER})


async def check_voice(context: Context, incident: Incident, actor: Actor) -> None:
    """Refuse people who may not speak to customers.

    Raises RefusedError that says whom to ask.
    """
    entitled = [role for role in incident.team or () if role.role in _ROLES]
    if actor.id in {person.id for role in entitled for person in role.people}:
        return
    if Right.RELEASE_MANAGER in await rights_of(context, actor):
        return
    names = sorted({person.name for role in entitled for person in role.people})
    ask = f"Ask {', '.join(names)}, or a release manager." if names else "Ask a release manager."
    raise RefusedError(
        "The Communication Coordinator, the Incident Commander and release managers decide what "
        f"customers read in {incident.id}.",
        ask,
    )


async def hold(context: Context, incident_id: str, *, actor: Actor, request_id: str) -> Incident:
    """From now on messages to customers wait for a person.

    Raises RefusedError for people who may not, and when they are held already.
    """
    await _check(context, incident_id, actor)

    def decide(incident: Incident) -> Decision:
        if incident.external_held_by is not None:
            raise RefusedError(
                f"{incident.external_held_by.name} holds messages to customers already.",
                "Drafts appear in the incident's channel.",
            )
        return Decision(events=(e.ExternalHeld(by=actor),))

    return await context.journal.record(incident_id, decide, request_id=request_id)


async def free(context: Context, incident_id: str, *, actor: Actor, request_id: str) -> Incident:
    """From now on messages to customers go out by themselves; drafts still wait for a person.

    Raises RefusedError for people who may not, and when nobody holds them.
    """
    await _check(context, incident_id, actor)

    def decide(incident: Incident) -> Decision:
        if incident.external_held_by is None:
            raise RefusedError(
                "Messages to customers are not held.", "They go out by themselves; do nothing."
            )
        return Decision(events=(e.ExternalFreed(by=actor),))

    return await context.journal.record(incident_id, decide, request_id=request_id)


async def send(
    context: Context,
    incident_id: str,
    number: int,
    *,
    actor: Actor,
    request_id: str,
    text: str = "",
) -> Incident:
    """Let a waiting draft go out, as it stands or in the person's own words.

    Raises RefusedError for people who may not, for a draft that somebody else has decided about,
    and for “resolved” while recovery is not proven.
    """
    await _check(context, incident_id, actor)

    def decide(incident: Incident) -> Decision:
        draft = draft_on_the_table(incident, number)
        check_truth(incident, draft.message)
        own = text.strip() if text.strip() != draft.text else ""
        return Decision(events=(e.ExternalSent(message=draft.message, text=own, by=actor),))

    return await context.journal.record(incident_id, decide, request_id=request_id)


async def discard(
    context: Context, incident_id: str, number: int, *, actor: Actor, request_id: str
) -> Incident:
    """A waiting draft is not sent; raises RefusedError as ``send`` does."""
    await _check(context, incident_id, actor)

    def decide(incident: Incident) -> Decision:
        draft = draft_on_the_table(incident, number)
        return Decision(events=(e.ExternalDiscarded(message=draft.message, by=actor),))

    return await context.journal.record(incident_id, decide, request_id=request_id)


async def _check(context: Context, incident_id: str, actor: Actor) -> None:
    await check_voice(context, await context.journal.load(incident_id), actor)
