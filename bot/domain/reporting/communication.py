"""5.5: who was told what, when."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain import events as e
from bot.domain.incident import Incident
from bot.domain.reporting.document import Block, Section, paragraph, table
from bot.domain.reporting.timeline import actor_of, told

_SAID: tuple[type[e.Event], ...] = (
    e.WordsAdded,
    e.UpdatePosted,
    e.ExternalHeld,
    e.ExternalFreed,
    e.ExternalDrafted,
    e.ExternalSent,
    e.ExternalDiscarded,
    e.Told,
)


def communication(incident: Incident, recorded: Sequence[e.Recorded]) -> Section:
    """Updates, people's words, and messages to customers, in order."""
    rows: list[tuple[str, ...]] = [
        (
            f"{item.at:%Y-%m-%d %H:%M:%S}",
            actor_of(item.event) or "rollback-bot",
            told(item.event, incident.plan),
        )
        for item in recorded
        if isinstance(item.event, _SAID)
    ]
    blocks: list[Block] = [
        table("Time (UTC)", "Who", "What", rows=rows)
        if rows
        else paragraph("No update was due and nothing was said to customers."),
        paragraph(f"Messages to customers: {to_customers(incident)}."),
    ]
    return Section(number="5.5", title="Communication", blocks=tuple(blocks))


def to_customers(incident: Incident) -> str:
    """How the communication with affected users stands."""
    sent = [message.value for message in incident.external_sent]
    parts = [f"sent: {', '.join(sent)}"] if sent else ["none was sent"]
    if incident.external_drafts:
        drafts = ", ".join(message.value for message in incident.external_drafts)
        parts.append(f"waiting for a person: {drafts}")
    return "; ".join(parts)
