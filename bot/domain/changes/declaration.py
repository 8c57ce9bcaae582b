"""How an incident begins."""

from __future__ import annotations

from datetime import datetime

from bot.domain import events as e
from bot.domain.changes.base import Changes, Table
from bot.domain.incident import Incident


def _noted(incident: Incident, event: e.Noted, at: datetime) -> Changes:
    others = tuple(n for n in incident.notes if n.subject != event.subject)
    return {"notes": (*others, event) if event.what else others}


CHANGES: Table = {
    e.ChannelOpened: lambda i, ev, at: {"channel": ev},
    e.TeamAssigned: lambda i, ev, at: {"team": ev.roles},
    e.Noted: _noted,
}
