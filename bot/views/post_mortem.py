"""The post-mortem in words: invitation, reminder, the mail, and the form that moves it.

Inputs of ``MOVE_MEETING``: ``MEETING_DAY`` and ``MEETING_TIME``, in the meeting's own time zone;
``private_metadata`` is the incident's id.
"""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape as escape_html
from typing import Any
from zoneinfo import ZoneInfo

from slack_sdk.models.blocks import (
    DatePickerElement,
    InputBlock,
    PlainTextObject,
    TimePickerElement,
)

from bot.domain.events import PostMortemScheduled
from bot.domain.incident import Incident
from bot.domain.post_mortem import end_of
from bot.views import forms, ids, labels
from bot.views.calendar import agenda, invitation, summary
from bot.views.kit import actions, button, compose, context, section
from bot.views.links import channel_link
from bot.views.markup import clean, day, people
from bot.views.message import Message

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
    return actions([button(labels.MOVE_MEETING, ids.OPEN_MOVE_MEETING, incident.id)])


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
