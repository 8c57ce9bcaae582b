"""The ten-minute updates: when the next one is due."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.domain.incident import Incident


def next_update_at(incident: Incident, interval: timedelta) -> datetime | None:
    """When the next update is due; None once the incident is resolved.

    Updates keep to the rhythm that began with the declaration. A missed beat (the bot was down)
    is made up for by one update, not by one for every missed beat.
    """
    if not incident.is_open:
        return None
    last = incident.updated_at or incident.opened_at
    if incident.relapses:
        # No beat was missed while it was resolved, and the relapse itself has just been told.
        last = max(last, incident.relapses[-1].at)
    beats = (last - incident.opened_at) // interval
    return incident.opened_at + (beats + 1) * interval


def is_update_due(incident: Incident, interval: timedelta, now: datetime) -> bool:
    """Whether an update should be posted now."""
    due = next_update_at(incident, interval)
    return due is not None and due <= now
