"""The invitation to the post-mortem as an iCalendar object (RFC 5545, RFC 5546)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bot.domain.events import PostMortemScheduled
from bot.domain.incident import Incident
from bot.domain.post_mortem import end_of
from bot.domain.values import Actor
from bot.views.links import channel_link
from bot.views.markup import clean, one_line

if TYPE_CHECKING:
    from icalendar import Event, vCalAddress

MEDIA_TYPE = "text/calendar; charset=utf-8"
ALARM = timedelta(minutes=15)
"""So long before the meeting calendars remind their owners."""
GOAL = (
    "Goal: learn from the incident and prevent it from happening again. We ask what the process "
    "made possible, not who did it."
)
AGENDA = (
    "Agenda: what happened (the report's timeline), why it could happen, what went well, what to "
    "improve, and where the corrective actions stand."
)


def file_name(incident: Incident, meeting: PostMortemScheduled) -> str:
    """A name of its own for every version, so that people see which is the newest."""
    moved = f"-{meeting.sequence + 1}" if meeting.sequence else ""
    return f"{incident.id}-post-mortem{moved}.ics"


def summary(incident: Incident) -> str:
    """The meeting's title; plain text."""
    declared = incident.declared
    return one_line(
        f"Post-mortem {incident.id}: rollback of {declared.service} {incident.bad_release}"
    )


def agenda(incident: Incident, meeting: PostMortemScheduled) -> str:
    """What the meeting is for, and where to read up on it; plain text."""
    link = channel_link(incident)
    without = [one_line(p.name) for p in meeting.people if p.id not in meeting.addresses]
    told = [
        GOAL,
        AGENDA,
        f"Reports and figures: {link}" if link else "Reports and figures: with the incident.",
    ]
    if without:
        told.append(f"Also expected, but without a known address: {', '.join(without)}.")
    return "\n".join(told)


def invitation(incident: Incident, meeting: PostMortemScheduled, now: datetime) -> str:
    """An invitation that calendars file under one id for ever; a moved one replaces it.

    Times are in UTC, which every calendar shows in its owner's zone: no definition of a zone can
    be missing or out of date. Without an organizer's address it is a publication and no request,
    because nobody could be answered.
    """
    # Loaded only here: most processes end before an incident does.
    from icalendar import Calendar  # noqa: PLC0415

    calendar = Calendar()
    calendar.add("prodid", "-//rollback-bot//post-mortem//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "REQUEST" if meeting.organizer else "PUBLISH")
    calendar.add_component(_event(incident, meeting, now))
    return bytes(calendar.to_ical()).decode()


def _event(incident: Incident, meeting: PostMortemScheduled, now: datetime) -> Event:
    from icalendar import Alarm, Event, vCalAddress  # noqa: PLC0415 - as in invitation

    event = Event()
    event.add("uid", f"{incident.id}-{incident.opened_at:%Y%m%dT%H%M%SZ}@rollback-bot")
    event.add("sequence", meeting.sequence)
    event.add("dtstamp", now.astimezone(UTC).replace(microsecond=0))
    event.add("dtstart", meeting.start.astimezone(UTC))
    event.add("dtend", end_of(meeting).astimezone(UTC))
    event.add("summary", clean(summary(incident)))
    event.add("description", clean(agenda(incident, meeting)))
    event.add("status", "CONFIRMED")
    if incident.channel:
        event.add("location", f"Slack #{one_line(incident.channel.channel_name)}")
    if link := channel_link(incident):
        event.add("url", link)
    if meeting.organizer:
        event.add("organizer", vCalAddress(f"mailto:{meeting.organizer}"))
        for person in meeting.people:
            if address := meeting.addresses.get(person.id):
                event.add("attendee", _attendee(person, address), encode=False)
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", clean(summary(incident)))
    alarm.add("trigger", -ALARM)
    event.add_component(alarm)
    return event


def _attendee(person: Actor, address: str) -> vCalAddress:
    from icalendar import vCalAddress, vText  # noqa: PLC0415 - as in invitation

    attendee = vCalAddress(f"mailto:{address}")
    # A quote would end the parameter early (RFC 5545, 3.1).
    attendee.params["CN"] = vText(one_line(person.name).replace('"', "'") or address)
    attendee.params["ROLE"] = vText("REQ-PARTICIPANT")
    attendee.params["PARTSTAT"] = vText("NEEDS-ACTION")
    attendee.params["RSVP"] = vText("TRUE")
    return attendee
