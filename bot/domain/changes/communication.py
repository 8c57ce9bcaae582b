"""What is said to those who wait."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bot.domain import events as e
from bot.domain.changes.base import Changes, Table
from bot.domain.incident import Incident, OutsideMessage, OutsideState


def _external_drafted(incident: Incident, event: e.ExternalDrafted, at: datetime) -> Changes:
    drafted = OutsideMessage(
        number=len(incident.outside) + 1,
        message=event.message,
        text=event.text,
        state=OutsideState.WAITING,
        at=at,
    )
    return {
        "external_drafts": {**incident.external_drafts, event.message: event.text},
        "outside": (*incident.outside, drafted),
    }


def _decided(incident: Incident, message: e.ExternalMessage, **changes: Any) -> Changes:
    """The waiting draft of a message has been decided upon; nothing when there is none."""
    found = [
        known.model_copy(update=changes)
        if known.message is message and known.state is OutsideState.WAITING
        else known
        for known in incident.outside
    ]
    return {"outside": tuple(found)}


def _without_draft(incident: Incident, message: e.ExternalMessage) -> Changes:
    kept = {name: text for name, text in incident.external_drafts.items() if name is not message}
    return {"external_drafts": kept}


def _external_sent(incident: Incident, event: e.ExternalSent, at: datetime) -> Changes:
    changes: Changes = {"state": OutsideState.SENT, "by": event.by, "at": at}
    if event.text:
        changes |= {"text": event.text, "edited": True}
    if event.message in incident.external_drafts:
        outside = _decided(incident, event.message, **changes)
    else:
        number = len(incident.outside) + 1
        sent = OutsideMessage(number=number, message=event.message, **changes)
        outside = {"outside": (*incident.outside, sent)}
    return {
        **outside,
        **_without_draft(incident, event.message),
        "external_sent": (*incident.external_sent, event.message),
    }


def _external_discarded(incident: Incident, event: e.ExternalDiscarded, at: datetime) -> Changes:
    state = OutsideState.LAPSED if event.by.is_bot else OutsideState.DISCARDED
    return {
        **_decided(incident, event.message, state=state, by=event.by, at=at),
        **_without_draft(incident, event.message),
    }


def _told(incident: Incident, event: e.Told, at: datetime) -> Changes:
    others = tuple(t for t in incident.told if t.destination != event.destination)
    return {"told": (*others, event)}


CHANGES: Table = {
    e.WordsAdded: lambda i, ev, at: {"words": (*i.words, ev)},
    e.UpdatePosted: lambda i, ev, at: {"updates": ev.number, "updated_at": at, "words": ()},
    e.ExternalHeld: lambda i, ev, at: {"external_held_by": ev.by},
    e.ExternalFreed: lambda i, ev, at: {"external_held_by": None},
    e.ExternalDrafted: _external_drafted,
    e.ExternalSent: _external_sent,
    e.ExternalDiscarded: _external_discarded,
    e.Told: _told,
}
