"""How long the parts of an incident took."""

from __future__ import annotations

from bot.incident.duties import Timings, recovered_at, timings
from tests.incident.story import Story, complete


def test_every_part_of_a_complete_journey_is_measured() -> None:
    found = timings(complete().incident)
    assert found == Timings(
        decide=40,
        approve=55,
        switch=7,
        drain=61,
        execute=74,
        recover=728,
        resolve=848,
    )


def test_what_has_not_happened_has_no_duration() -> None:
    assert timings(Story().declared().incident) == Timings(decide=40)


def test_a_judgement_that_does_not_prove_recovery_is_no_recovery() -> None:
    story = Story().declared().planned().approved().executed().verified(*[(600, 90)] * 10)
    assert story.incident.judged_at is not None
    assert recovered_at(story.incident) is None
    assert timings(story.incident).recover is None
    assert timings(story.incident).switch == 7
