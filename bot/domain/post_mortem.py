"""The meeting that learns from an incident: when it is held, and with whom (procedure 6.3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from bot.domain.events import PostMortemScheduled
from bot.domain.incident import Incident
from bot.domain.values import Actor, Instant, Value
from bot.domain.working_hours import WorkingHours

EARLIEST = timedelta(hours=24)
"""After the resolution: people sleep first, and figures come in."""
LATEST = timedelta(hours=48)
"""By then people still remember."""


class Slot(Value):
    """A time for the meeting."""

    start: Instant
    minutes: int
    zone: str
    late: bool
    """Whether it begins more than 48 hours after the resolution, because nobody works by then."""


def choose_slot(resolved_at: datetime, now: datetime, *, minutes: int, hours: WorkingHours) -> Slot:
    """The first time for the meeting in working hours, 24 to 48 hours after the resolution.

    A weekend or a holiday pushes it to the next working day. ``now`` matters only when nobody
    could choose for more than a day: nobody is invited at less than an hour's notice.
    """
    earliest = max(resolved_at + EARLIEST, now + timedelta(hours=1))
    start = hours.first_fit(earliest, minutes=minutes)
    late = start > resolved_at + LATEST
    return Slot(start=start, minutes=minutes, zone=hours.zone, late=late)


def is_late(incident: Incident, start: datetime) -> bool:
    """Whether a meeting at this time is later than the procedure asks for."""
    return incident.resolved_at is not None and start > incident.resolved_at + LATEST


def needs_slot(incident: Incident) -> bool:
    """Whether a resolved incident still lacks its meeting.

    A meeting from before the incident was opened again stays when it is late enough to speak of
    the relapse too; one that a person has moved stays while it is to come.
    """
    meeting, resolved_at = incident.post_mortem, incident.resolved_at
    if resolved_at is None:
        return False
    if meeting is None:
        return True
    held_by = resolved_at if meeting.by else resolved_at + EARLIEST
    return meeting.start < held_by


def involved(incident: Incident) -> tuple[Actor, ...]:
    """Everybody who had a part, each once, in the order in which they came in."""
    found: dict[str, Actor] = {}
    for actor in _everybody(incident):
        if not actor.is_bot:
            found.setdefault(actor.id, actor)
    return tuple(found.values())


def _everybody(incident: Incident) -> Iterator[Actor]:
    yield incident.declared.by
    for role in incident.team or ():
        yield from role.people
    for approval in incident.approvals:
        yield approval.by
    for used in incident.break_glass:
        yield used.by
        yield used.approver
    if incident.rejection:
        yield incident.rejection.by
    if incident.abort_by:
        yield incident.abort_by
    if incident.resolved_by:
        yield incident.resolved_by


def end_of(meeting: PostMortemScheduled) -> datetime:
    """When the meeting is over."""
    return meeting.start + timedelta(minutes=meeting.minutes)


def reminder_due(incident: Incident, now: datetime, *, before: timedelta) -> bool:
    """Whether the channel is to be reminded now; never after the meeting has begun."""
    meeting = incident.post_mortem
    if meeting is None or incident.post_mortem_reminded:
        return False
    return meeting.start - before <= now < meeting.start
