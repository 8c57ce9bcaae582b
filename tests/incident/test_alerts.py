"""One story a group, whoever tells it, however often and in whatever order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.incident.alerts import FLAPPING, LAG, MOST_ALERTS, Alert, Episode, episode_of, taken_in
from tests.incident.story import NOON

DAY = timedelta(hours=24)
MINUTE = timedelta(minutes=1)


def _alert(name: str = "HighErrorRate", *, start: float = 0, end: float | None = None) -> Alert:
    """An alert whose times are minutes after noon."""
    return Alert(
        fingerprint=name,
        name=name,
        started_at=NOON + start * MINUTE,
        ended_at=None if end is None else NOON + end * MINUTE,
    )


def _episode(
    known: Sequence[Episode], *alerts: Alert, at: float = 0, group: str = "g"
) -> Episode | None:
    now = NOON + at * MINUTE
    found = episode_of(
        known, service="checkout", group=group, alerts=alerts, now=now, forget_after=DAY
    )
    return taken_in(found, alerts, now) if found else None


def _told(*alerts: Alert, at: float = 0) -> Episode:
    episode = _episode((), *alerts, at=at)
    assert episode is not None
    return episode


def test_a_repeat_goes_on_with_the_same_episode() -> None:
    first = _told(_alert())
    again = _episode([first], _alert(), at=5)
    assert again is not None
    assert (again.id, again.words, len(again.alerts)) == (first.id, 2, 1)
    assert again.since == NOON


def test_the_same_alert_from_another_sender_with_another_grouping_stays_in_its_episode() -> None:
    first = _told(_alert())
    other = _episode([first], _alert(), at=1, group="another")
    assert other is not None
    assert other.id == first.id


def test_another_group_about_another_alert_is_a_story_of_its_own() -> None:
    first = _told(_alert())
    other = _episode([first], _alert("SlowAnswers"), at=1, group="another")
    assert other is not None
    assert other.id != first.id


def test_an_end_that_nobody_heard_begin_begins_nothing() -> None:
    assert _episode((), _alert(end=1), at=2) is None


def test_an_episode_is_over_when_its_last_alert_is() -> None:
    first = _told(_alert(), _alert("SlowAnswers"))
    half = taken_in(first, [_alert(end=3)], NOON + 3 * MINUTE)
    assert [known.said.name for known in half.firing] == ["SlowAnswers"]
    assert half.over_at is None
    over = taken_in(half, [_alert("SlowAnswers", end=4)], NOON + 4 * MINUTE)
    assert over.over_at == NOON + 4 * MINUTE


def test_an_alert_that_flaps_does_not_begin_another_message() -> None:
    over = taken_in(_told(_alert()), [_alert(end=3)], NOON + 3 * MINUTE)
    soon = _episode([over], _alert(start=5), at=5)
    later = _episode([over], _alert(start=30), at=3 + FLAPPING / MINUTE + 1)
    assert soon is not None
    assert later is not None
    assert (soon.id == over.id, later.id == over.id) == (True, False)
    assert len(soon.firing) == len(later.firing) == 1


def test_a_late_word_of_another_member_does_not_fire_again_but_a_later_one_does() -> None:
    over = taken_in(_told(_alert()), [_alert(end=3)], NOON + 3 * MINUTE)
    late = taken_in(over, [_alert()], NOON + 3 * MINUTE + LAG / 2)
    assert late.over_at == over.over_at
    assert taken_in(over, [_alert()], NOON + 3 * MINUTE + LAG).firing


def test_an_alert_that_was_not_heard_of_for_a_day_is_told_anew() -> None:
    first = _told(_alert())
    again = _episode([first], _alert(), at=24 * 60)
    assert again is not None
    assert again.id != first.id or again.began_at != first.began_at


def test_ends_before_the_beginning_and_in_the_future_are_put_right() -> None:
    for end in (-30, 90):
        over = taken_in(_told(_alert()), [_alert(end=end)], NOON + 3 * MINUTE)
        assert over.over_at is not None
        assert NOON <= over.over_at <= NOON + 3 * MINUTE


def test_more_alerts_than_are_kept_are_counted() -> None:
    many = [_alert(f"a{n}") for n in range(MOST_ALERTS + 7)]
    assert (len(_told(*many).alerts), _told(*many).more) == (MOST_ALERTS, 7)


WORDS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from((0, 1)), st.booleans()), max_size=12
)


@settings(max_examples=60, deadline=None)
@given(words=WORDS)
def test_a_notification_heard_twice_changes_nothing_the_second_time(
    words: list[tuple[str, int, bool]],
) -> None:
    episode = Episode(id="e", service="s", group="g", began_at=NOON, heard_at=NOON)
    now: datetime = NOON + 10 * MINUTE
    for name, start, ends in words:
        said = [_alert(name, start=start, end=5 if ends else None)]
        once = taken_in(episode, said, now)
        assert taken_in(once, said, now).alerts == once.alerts
        episode = once
        now += timedelta(seconds=1)
