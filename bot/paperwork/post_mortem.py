"""The post-mortem in words: invitation, reminder, the mail, and the form that moves it.

Inputs of ``MOVE_MEETING``: ``MEETING_DAY`` and ``MEETING_TIME``, in the meeting's own time zone;
``private_metadata`` is the incident's id.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html import escape as escape_html
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from slack_sdk.models.blocks import (
    DatePickerElement,
    InputBlock,
    PlainTextObject,
    TimePickerElement,
)

from bot.communication import forms, ids, markup
from bot.communication.blocks import Message, actions, button, compose, context, section
from bot.communication.markup import channel_link, clean, day, one_line, people
from bot.core.errors import RefusedError
from bot.core.values import Actor
from bot.engine.context import Context
from bot.engine.journal import Decision
from bot.engine.rights import check_team
from bot.incident import events as e
from bot.incident.events import PostMortemScheduled
from bot.incident.state import Incident
from bot.paperwork import papers
from bot.paperwork.model import choose_slot, end_of, involved, is_late, needs_slot
from bot.paperwork.papers import Paper, record_if
from bot.store.values import Attachment, Lease

if TYPE_CHECKING:
    from icalendar import Event, vCalAddress


# The invitation to the post-mortem as an iCalendar object (RFC 5545, RFC 5546).

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


# The post-mortem: invited to once the incident is resolved, moved by people, reminded of.


def is_owed(context: Context, incident: Incident) -> bool:
    """Whether a resolved incident still lacks its meeting."""
    return needs_slot(incident)


async def write(context: Context, incident: Incident, lease: Lease | None) -> None:
    """Choose the slot, and invite everybody who had a part."""
    if incident.resolved_at is None:
        return
    settings, people = context.catalog.post_mortem, involved(incident)
    now = context.clock.now()
    slot = choose_slot(
        incident.resolved_at,
        now,
        minutes=settings.length_of(incident.declared.verdict.severity),
        hours=settings.calendar,
    )
    addresses = await context.chat.addresses(people)
    event = e.PostMortemScheduled(
        start=slot.start,
        minutes=slot.minutes,
        zone=slot.zone,
        late=slot.late,
        people=people,
        addresses=addresses,
        organizer=settings.organizer or _lead_address(incident, addresses),
        email=settings.email,
        sequence=_next_sequence(incident),
    )
    file = _file(incident, event, now)
    await record_if(context, incident, event, needs_slot, lease=lease, attachments=(file,))


async def move(
    context: Context,
    incident_id: str,
    *,
    start: datetime,
    minutes: int,
    actor: Actor,
    request_id: str,
) -> Incident:
    """Hold the meeting at another time, and invite everybody anew.

    Raises RefusedError for a time that is over, and to people who have no part in the incident.
    """
    incident = await context.journal.load(incident_id)
    await _check_invited(context, incident, actor)
    now = context.clock.now()
    if start <= now:
        raise RefusedError("This time is over.", "Choose one to come.")
    going_on = await papers.going_on(context, incident)

    def decide(incident: Incident) -> Decision:
        meeting = incident.post_mortem
        if meeting is None:
            raise RefusedError(
                f"{incident.id} has no post-mortem to be moved.",
                "The bot sets one up when the incident is resolved.",
            )
        changes = {
            "start": start,
            "minutes": minutes,
            "late": is_late(incident, start),
            "by": actor,
            "sequence": _next_sequence(incident),
        }
        moved = meeting.model_copy(update=changes)
        file = _file(incident, moved, now)
        return Decision(events=(moved,), attachments=(file,), documents=going_on)

    return await context.journal.record(incident_id, decide, request_id=request_id)


async def _check_invited(context: Context, incident: Incident, actor: Actor) -> None:
    invited = incident.post_mortem.people if incident.post_mortem else ()
    if actor.id not in {person.id for person in invited}:
        await check_team(context, incident, actor)


def _next_sequence(incident: Incident) -> int:
    return incident.post_mortem.sequence + 1 if incident.post_mortem else 0


def _file(incident: Incident, event: e.PostMortemScheduled, now: datetime) -> Attachment:
    text = invitation(incident, event, now)
    return Attachment(name=file_name(incident, event), media_type=MEDIA_TYPE, content=text.encode())


def _lead_address(incident: Incident, addresses: dict[str, str]) -> str:
    """Of the Incident Commander, else of whoever resolved or declared it."""
    commanders = [
        person
        for role in incident.team or ()
        if role.role is e.Role.INCIDENT_COMMANDER
        for person in role.people
    ]
    candidates = [*commanders, incident.resolved_by, incident.declared.by]
    known = (addresses.get(person.id, "") for person in candidates if person)
    return next(filter(None, known), "")


PAPER = Paper(name="Post-mortem", is_owed=is_owed, write=write)


_MOST_PEOPLE = 25
"""Named in one text; all of them are invited."""


def invited(incident: Incident, meeting: PostMortemScheduled) -> Message:
    """When the meeting is, who is expected, and how to move it."""
    said = "The post-mortem is moved" if meeting.by else "Post-mortem"
    when = f"{day(meeting.start)}, {meeting.minutes} minutes"
    by = f" by {people((meeting.by,))}" if meeting.by else ""
    who = people(meeting.people, limit=_MOST_PEOPLE)
    blocks = [
        section(f"*{said}{by}:* {when} ({_local(meeting)})\nWith {who}.{_late(meeting)}"),
        context(
            "It asks what the process made possible, not who did it. The calendar file follows; "
            "open it to add the meeting to your calendar."
        ),
        *_move_button(incident),
    ]
    return compose(f"{said}: {_local(meeting)}, {meeting.minutes} minutes", blocks)


def reminder(incident: Incident) -> Message:
    """The meeting is near."""
    meeting = incident.post_mortem
    if meeting is None:
        raise ValueError(f"{incident.id} has no post-mortem")
    who = people(meeting.people, limit=_MOST_PEOPLE)
    blocks = [
        section(
            f"*The post-mortem begins at {day(meeting.start)}* ({_local(meeting)}).\n{who}: read "
            "the report above, and bring what you remember."
        ),
        *_move_button(incident),
    ]
    return compose(f"The post-mortem begins at {_local(meeting)}.", blocks)


def mail(incident: Incident, meeting: PostMortemScheduled, now: datetime) -> dict[str, Any]:
    """The invitation as a mail with the calendar's object in it."""
    moved = "Moved: " if meeting.sequence else ""
    told = [f"{moved}{_local(meeting)}, {meeting.minutes} minutes.", agenda(incident, meeting)]
    link = channel_link(incident)
    paragraphs = "".join(
        f"<p>{escape_html(line)}</p>" for text in told for line in clean(text).splitlines()
    )
    page = f'{paragraphs}<p><a href="{escape_html(link)}">Open the channel</a></p>'
    return {
        "subject": clean(f"{moved}{summary(incident)}"),
        "text": clean("\n\n".join(told)) + "\n",
        "html": page if link else paragraphs,
        "to": sorted(set(meeting.addresses.values())),
        "calendar": invitation(incident, meeting, now) if meeting.organizer else "",
    }


def move_form(incident: Incident, meeting: PostMortemScheduled) -> dict[str, Any]:
    """Another day and time, in the zone in which the slot was chosen."""
    local = meeting.start.astimezone(ZoneInfo(meeting.zone))
    blocks = [
        section(f"Now: {day(meeting.start)}, {meeting.minutes} minutes."),
        InputBlock(
            block_id=ids.MEETING_DAY,
            label=PlainTextObject(text="Day"),
            element=DatePickerElement(action_id=ids.MEETING_DAY, initial_date=f"{local:%Y-%m-%d}"),
        ),
        InputBlock(
            block_id=ids.MEETING_TIME,
            label=PlainTextObject(text=f"Time in {meeting.zone}"[:150]),
            element=TimePickerElement(action_id=ids.MEETING_TIME, initial_time=f"{local:%H:%M}"),
        ),
        context("Everybody is invited anew, and the channel is told."),
    ]
    return forms.modal(
        "Move the post-mortem",
        blocks,
        callback_id=ids.MOVE_MEETING,
        submit="Move",
        close="Cancel",
        private_metadata=incident.id,
    )


def _move_button(incident: Incident) -> list[Any]:
    return actions([button(markup.MOVE_MEETING, ids.OPEN_MOVE_MEETING, incident.id)])


def _local(meeting: PostMortemScheduled) -> str:
    """Begin and end in the meeting's zone, for those whose reader expands nothing."""
    zone = ZoneInfo(meeting.zone)
    start, end = meeting.start.astimezone(zone), end_of(meeting).astimezone(zone)
    utc = f", {meeting.start.astimezone(UTC):%H:%M} UTC" if meeting.zone != "UTC" else ""
    return f"{start:%a %Y-%m-%d %H:%M}–{end:%H:%M} {meeting.zone}{utc}"


def _late(meeting: PostMortemScheduled) -> str:
    if not meeting.late:
        return ""
    if meeting.by:
        return "\nThat is later than 48 hours after the resolution; memories fade."
    return (
        "\nThat is later than 48 hours after the resolution, because a weekend or a holiday lies "
        "between."
    )
