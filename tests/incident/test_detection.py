"""What is news to an incident, and which alert noticed it."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.incident.alerts import LONGEST, MOST_HEARD, HeardAlert, news, noticed_by, with_news
from tests.incident.story import NOON

MINUTE = timedelta(minutes=1)


def fired(start: float, end: float | None = None, name: str = "Errors") -> HeardAlert:
    """An alert whose times are minutes after noon."""
    return HeardAlert(
        fingerprint=name,
        name=name,
        started_at=NOON + start * MINUTE,
        ended_at=None if end is None else NOON + end * MINUTE,
    )


def told(known: tuple[HeardAlert, ...], *alerts: HeardAlert, is_open: bool = True) -> list[object]:
    """The times of what is news."""
    found = news(known, alerts, since=NOON, is_open=is_open)
    return [
        ((one.started_at - NOON) / MINUTE, one.ended_at and (one.ended_at - NOON) / MINUTE)
        for one in found
    ]


def test_a_beginning_and_its_end_are_news_once() -> None:
    assert told((), fired(1)) == [(1, None)]
    assert told((fired(1),), fired(1)) == []
    assert told((fired(1),), fired(1, 4)) == [(1, 4)]
    assert told((fired(1, 4),), fired(1, 4)) == []


def test_a_beginning_that_is_corrected_is_the_same_firing() -> None:
    assert told((fired(1),), fired(0.5)) == []
    assert told((fired(1),), fired(0.5, 4)) == [(1, 4)]
    assert told((fired(1, 4),), fired(0.5, 4)) == []


def test_firing_again_is_news_also_when_it_is_over_by_then() -> None:
    assert told((fired(1, 4),), fired(6)) == [(6, None)]
    assert told((fired(1, 4),), fired(6, 7)) == [(6, 7)]
    assert told((), fired(1, 2)) == [(1, 2)]


def test_what_was_over_before_the_assessment_is_not_the_incidents_business() -> None:
    assert told((), fired(-9, -1)) == []


def test_a_closed_incident_hears_how_what_it_knows_ends_and_nothing_else() -> None:
    assert told((fired(1),), fired(1, 4), fired(5, name="Other"), is_open=False) == [(1, 4)]


def test_an_alert_that_flaps_for_days_does_not_fill_the_record() -> None:
    full = tuple(fired(n, n + 0.5) for n in range(MOST_HEARD - 1))
    last = fired(MOST_HEARD)
    assert len(news(full, (last, fired(9999, name="b")), since=NOON, is_open=True)) == 1
    assert news((*full, last), (fired(9999, name="b"),), since=NOON, is_open=True) == ()
    assert len(news((*full, last), (fired(MOST_HEARD, 9e3),), since=NOON, is_open=True)) == 1


WORDS = st.lists(
    st.lists(
        st.builds(
            lambda start, length, name: fired(start, length and start + length, name),
            st.sampled_from((-2, 0, 1, 5)),
            st.sampled_from((None, 1, 3)),
            st.sampled_from("ab"),
        ),
        max_size=3,
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(words=WORDS)
def test_nothing_is_news_twice_and_no_beginning_is_lost(words: list[list[HeardAlert]]) -> None:
    known: tuple[HeardAlert, ...] = ()
    events = []
    for alerts in words:
        # One word about each alert, as a notification has it.
        said = tuple({alert.fingerprint: alert for alert in alerts}.values())
        found = news(known, said, since=NOON, is_open=True)
        known = with_news(known, found)
        events += [(one.fingerprint, one.started_at, one.ended_at) for one in found]
        assert news(known, said, since=NOON, is_open=True) == ()
        firing = {one.fingerprint for one in said if one.ended_at is None}
        assert firing <= {one.fingerprint for one in known}
    assert len(events) == len(set(events))
    assert len(known) == len({(one.fingerprint, one.started_at) for one in known})


def test_the_first_alert_after_the_release_noticed_it() -> None:
    chronic, first, second = fired(-300, name="disk"), fired(-4, name="a"), fired(-2, name="b")
    alerts = (second, chronic, first, fired(1, name="later"))
    released = NOON - 5 * MINUTE
    assert noticed_by(alerts, assessed_at=NOON, released_at=released) == first
    assert noticed_by(alerts, assessed_at=NOON, released_at=NOON - MINUTE) is None
    assert noticed_by((), assessed_at=NOON, released_at=None) is None


def test_without_the_time_of_the_release_an_alert_of_yesterday_speaks_of_something_else() -> None:
    old = fired(-1 - LONGEST / MINUTE)
    assert noticed_by((old,), assessed_at=NOON, released_at=None) is None
    assert noticed_by((old, fired(-30)), assessed_at=NOON, released_at=None) == fired(-30)
