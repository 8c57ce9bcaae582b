"""What the status card says of the bot's own troubles: written when it is news, and taken back."""

from __future__ import annotations

from bot.domain.destinations import label_of
from bot.domain.events import AnyEvent, Noted, Told
from bot.domain.incident import Incident
from bot.pipeline.journal import Decision, Journal
from bot.ports.deliveries import Action, Delivery, Receipt
from bot.ports.store import Lease


async def say(
    journal: Journal, incident_id: str, *wanted: Noted | Told, lease: Lease | None = None
) -> None:
    """Write what the incident does not know yet: a card must not flicker."""

    def decide(incident: Incident) -> Decision | None:
        events: tuple[AnyEvent, ...] = tuple(one for one in wanted if _is_news(one, incident))
        return Decision(events=events) if events else None

    await journal.record(incident_id, decide, lease=lease)


def _is_news(event: Noted | Told, incident: Incident) -> bool:
    if isinstance(event, Told):
        return event not in incident.told
    known = {note.subject: note for note in incident.notes}.get(event.subject)
    return known != event if event.what else known is not None


async def not_delivered(journal: Journal, delivery: Delivery, what: str, remedy: str) -> None:
    """Say what did not arrive; nothing where the delivery belongs to no incident.

    A card that fails cannot say so itself.
    """
    if delivery.incident_id and delivery.action is not Action.CARD:
        await say(journal, delivery.incident_id, _noted(delivery, what, remedy))


async def delivered(journal: Journal, delivery: Delivery, receipt: Receipt) -> None:
    """Take back what was said of failures, and show what a destination beside Slack took."""
    if not delivery.told:
        await not_delivered(journal, delivery, receipt.note, "")
        return
    told = Told(destination=delivery.destination, what=delivery.told, reference=receipt.reference)
    await say(journal, delivery.incident_id, told, _noted(delivery, receipt.note, ""))


def _noted(delivery: Delivery, what: str, remedy: str) -> Noted:
    subject = f"{delivery.action.value} to {label_of(delivery.destination)}"
    return Noted(subject=subject, what=what, remedy=remedy)
