"""The invitation as a calendar reads it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from icalendar import Calendar

from bot.core.values import Actor
from bot.incident import events as e
from bot.incident.state import Incident, Phase
from bot.paperwork.post_mortem import file_name, invitation, invited, mail, move_form, reminder
from tests.communication.checks import assert_message, assert_view
from tests.communication.examples import ANA, BEN, CARA, DEV, incident_in

START = datetime(2026, 3, 16, 9, 30, tzinfo=UTC)
NOW = datetime(2026, 3, 14, 16, 0, 0, 123, tzinfo=UTC)
NASTY = Actor(id="U0EVIL001", name='Eve "X";CN=Boss:\r\nATTENDEE:mailto:boss@example.com')


def meeting(**changes: object) -> e.PostMortemScheduled:
    given: dict[str, object] = {
        "start": START,
        "minutes": 90,
        "zone": "Europe/Berlin",
        "people": (ANA, BEN, CARA, DEV),
        "addresses": {ANA.id: "ana@example.com", BEN.id: "ben@example.com"},
        "organizer": "ben@example.com",
        "email": "team",
    }
    return e.PostMortemScheduled.model_validate({**given, **changes})


def read(text: str) -> tuple[Any, Any]:
    """The calendar and its event; what a property is depends on its name."""
    calendar = Calendar.from_ical(text)
    (event,) = calendar.walk("VEVENT")
    return calendar, event


def resolved(scheduled: e.PostMortemScheduled) -> Incident:
    return incident_in(Phase.RESOLVED).model_copy(update={"post_mortem": scheduled})


def test_a_calendar_reads_who_when_and_what_for() -> None:
    scheduled = meeting()
    incident = resolved(scheduled)
    calendar, event = read(invitation(incident, scheduled, NOW))
    assert calendar["METHOD"] == "REQUEST"
    assert event["DTSTART"].dt == START
    assert event["DTEND"].dt - event["DTSTART"].dt == timedelta(minutes=90)
    assert str(event["ORGANIZER"]) == "mailto:ben@example.com"
    assert [str(one) for one in event["ATTENDEE"]] == [
        "mailto:ana@example.com",
        "mailto:ben@example.com",
    ]
    assert event["ATTENDEE"][0].params["RSVP"] == "TRUE"
    assert incident.id in event["SUMMARY"]
    assert "Cara, Dev at the terminal" in event["DESCRIPTION"]
    (alarm,) = event.walk("VALARM")
    assert (alarm["ACTION"], alarm["TRIGGER"].dt) == ("DISPLAY", -timedelta(minutes=15))


def test_a_moved_meeting_replaces_the_old_one() -> None:
    first, moved = meeting(), meeting(start=START + timedelta(days=1), sequence=1, by=ANA)
    incident = resolved(moved)
    _, before = read(invitation(incident, first, NOW))
    _, after = read(invitation(incident, moved, NOW))
    assert before["UID"] == after["UID"]
    assert (before["SEQUENCE"], after["SEQUENCE"]) == (0, 1)
    assert file_name(incident, first) != file_name(incident, moved)
    assert "is moved" in invited(incident, moved).text


def test_without_an_organizer_nobody_is_asked_for_an_answer() -> None:
    scheduled = meeting(organizer="", addresses={})
    calendar, event = read(invitation(resolved(scheduled), scheduled, NOW))
    assert calendar["METHOD"] == "PUBLISH"
    assert "ATTENDEE" not in event


def test_names_can_neither_add_lines_nor_parameters() -> None:
    scheduled = meeting(people=(NASTY,), addresses={NASTY.id: "eve@example.com"})
    _, event = read(invitation(resolved(scheduled), scheduled, NOW))
    assert str(event["ATTENDEE"]) == "mailto:eve@example.com"
    assert set(event["ATTENDEE"].params) == {"CN", "ROLE", "PARTSTAT", "RSVP"}


def test_the_mail_carries_the_same_invitation_to_every_known_address() -> None:
    scheduled = meeting()
    incident = resolved(scheduled)
    payload = mail(incident, scheduled, NOW)
    assert payload["to"] == ["ana@example.com", "ben@example.com"]
    assert payload["calendar"] == invitation(incident, scheduled, NOW)
    assert "10:30" in payload["text"]
    assert "Mon 2026-03-16 10:30–12:00 Europe/Berlin" in payload["html"]


def test_slack_takes_every_word_about_the_meeting() -> None:
    for scheduled in (meeting(), meeting(late=True), meeting(late=True, by=NASTY)):
        incident = resolved(scheduled)
        assert_message(invited(incident, scheduled))
        assert_message(reminder(incident))
        assert_view(move_form(incident, scheduled))
