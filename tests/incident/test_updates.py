"""The rhythm of the updates."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.incident import events as e
from bot.incident.duties import is_update_due, next_update_at
from tests.incident.story import ALICE, NOON, Story, complete

TEN = timedelta(minutes=10)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def updated(*at: float) -> Story:
    """An incident declared at noon, with updates posted so many minutes later."""
    story = Story().declared()
    for number, moment in enumerate(at, start=1):
        story.now = NOON + minutes(moment)
        story.tell(e.UpdatePosted(number=number), after=0)
    return story


@pytest.mark.parametrize(
    ("posted", "next_one"),
    [
        ((), 10),
        ((10,), 20),
        ((10.2,), 20),
        ((10, 20.5, 30.1), 40),
        # The bot was down over two beats: one update makes up for them.
        (
            (
                10,
                37,
            ),
            40,
        ),
        # A person asked for an update between two beats.
        ((4,), 10),
    ],
)
def test_updates_keep_to_the_beat_of_the_declaration(
    posted: tuple[float, ...], next_one: float
) -> None:
    assert next_update_at(updated(*posted).incident, TEN) == NOON + minutes(next_one)


def test_an_update_is_due_from_its_moment_on() -> None:
    incident = updated().incident
    assert not is_update_due(incident, TEN, NOON + minutes(9.99))
    assert is_update_due(incident, TEN, NOON + minutes(10))


def test_a_missed_beat_is_due_at_once_and_only_once() -> None:
    late = NOON + minutes(47)
    assert is_update_due(updated(10).incident, TEN, late)
    assert not is_update_due(updated(10, 47).incident, TEN, late)


def test_nothing_is_due_once_the_incident_is_resolved() -> None:
    assert next_update_at(complete().incident, TEN) is None
    assert not is_update_due(complete().incident, TEN, NOON + timedelta(days=1))


def test_words_of_people_wait_for_the_next_update_and_go_with_it() -> None:
    story = updated()
    story.tell(e.WordsAdded(by=ALICE, text="We wait for the bank."))
    assert [word.text for word in story.incident.words] == ["We wait for the bank."]
    story.tell(e.UpdatePosted(number=1))
    assert story.incident.words == ()


def test_an_incident_that_was_resolved_and_relapses_has_missed_no_beat() -> None:
    story = complete()
    judged = story.incident.judged
    assert judged is not None
    story.now = NOON + timedelta(days=1, minutes=3)
    story.tell(e.Relapsed(judgement=judged.judgement, since=story.now), after=0)
    assert not is_update_due(story.incident, TEN, story.now)
    assert next_update_at(story.incident, TEN) == NOON + timedelta(days=1, minutes=10)
