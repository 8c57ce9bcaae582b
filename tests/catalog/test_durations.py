"""Durations as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from bot.catalog.types import Duration, parse_duration
from bot.core.values import seconds_between, spoken
from tests.incident.story import NOON

DURATION: TypeAdapter[timedelta] = TypeAdapter(Duration)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        (" 2 h ", 7200),
        ("1d", 86400),
        ("250ms", 0.25),
        ("1.5m", 90),
        (90, 90),
        (0.5, 0.5),
        (timedelta(minutes=2), 120),
    ],
)
def test_all_ways_of_writing_a_duration(written: object, seconds: float) -> None:
    assert DURATION.validate_python(written).total_seconds() == seconds


@pytest.mark.parametrize("written", ["", "soon", "10", "10 minutes", "m10", "10x", "1h-5m", "5m!"])
def test_anything_else_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(ValidationError, match="write it like 90s, 10m or 1h30m"):
        DURATION.validate_python(written)


@pytest.mark.parametrize("written", [0, "0s", -5])
def test_a_duration_is_longer_than_nothing(written: object) -> None:
    with pytest.raises(ValidationError, match="longer than nothing"):
        DURATION.validate_python(written)


@given(hours=st.integers(0, 99), minutes=st.integers(0, 59), seconds=st.integers(0, 59))
def test_parts_add_up(hours: int, minutes: int, seconds: int) -> None:
    expected = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    assert parse_duration(f"{hours}h{minutes}m{seconds}s") == expected


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.42, "0.4 s"),
        (7, "7 s"),
        (59.6, "1 min"),
        (65, "1 min 5 s"),
        (600, "10 min"),
        (3600, "1 h"),
        (4800, "1 h 20 min"),
        (4859, "1 h 20 min"),
    ],
)
def test_durations_are_spoken_as_people_say_them(seconds: float, words: str) -> None:
    assert spoken(seconds) == words


def test_the_time_between_two_moments_is_unknown_while_one_has_not_happened() -> None:
    assert seconds_between(NOON, NOON + timedelta(seconds=3)) == 3
    assert seconds_between(None, NOON) is None
    assert seconds_between(NOON, None) is None
