"""An incident's state as a pure fold over its events: one change an event kind."""

from __future__ import annotations

from collections.abc import Iterable

from bot.domain import events as e
from bot.domain.changes import (
    alerts,
    communication,
    conclusion,
    declaration,
    execution,
    planning,
    verification,
)
from bot.domain.changes.base import Table
from bot.domain.incident import Incident, Phase

_CHANGES: Table = {
    **declaration.CHANGES,
    **planning.CHANGES,
    **execution.CHANGES,
    **verification.CHANGES,
    **communication.CHANGES,
    **conclusion.CHANGES,
    **alerts.CHANGES,
}


def fold(incident_id: str, recorded: Iterable[e.Recorded]) -> Incident:
    """Rebuild an incident from all its events, oldest first.

    Raises ValueError when the list does not begin with a declaration.
    """
    incident: Incident | None = None
    for item in recorded:
        incident = apply(incident_id, incident, item)
    if incident is None:
        raise ValueError(f"{incident_id} has no events")
    return incident


def apply(incident_id: str, incident: Incident | None, item: e.Recorded) -> Incident:
    """The state after one more event."""
    event, at = item.event, item.at
    if incident is None:
        if not isinstance(event, e.Declared):
            raise ValueError(f"{incident_id} begins with {event.kind}, not with its declaration")
        return Incident(
            id=incident_id,
            seq=item.seq,
            phase=Phase.PLANNING,
            opened_at=at,
            changed_at=at,
            declared=event,
            target_release=event.target_release,
            parts=event.parts,
            alerts=event.alerts,
        )
    changes = _CHANGES[type(event)](incident, event, at)
    return incident.model_copy(update={**changes, "seq": item.seq, "changed_at": at})
