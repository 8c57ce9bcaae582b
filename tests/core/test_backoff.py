"""Backing off: pauses grow up to the longest, and in the end somebody gives up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from bot.core.backoff import Backoff, retried
from bot.core.errors import OutcomeUnknownError, TemporaryError

BACKOFF = Backoff(first=0.5, longest=3.0, longest_asked=8.0)


class Sleeper:
    """A clock on which every sleep is over at once; it keeps a list of them."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> datetime:
        """Noon, and what was slept since."""
        return datetime(2026, 3, 2, 12, tzinfo=UTC) + timedelta(seconds=sum(self.slept))

    async def sleep(self, seconds: float) -> None:
        """Sleep in no time."""
        self.slept.append(seconds)


async def fail() -> str:
    """Never succeeds."""
    raise TemporaryError("Not now.")


def test_pauses_double_up_to_the_longest_and_stay_there_for_ever() -> None:
    assert list(islice(BACKOFF.pauses(), 5)) == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert BACKOFF.pause(1_000_000) == 3.0
    assert Backoff(first=0.1, longest=2.7, factor=3.0).pause(3) == pytest.approx(0.9)


def test_the_other_sides_wish_goes_before_within_its_own_limit() -> None:
    assert BACKOFF.pause(1, 5.0) == 5.0
    assert BACKOFF.pause(1, 60.0) == 8.0
    assert BACKOFF.pause(1, 0.0) == 0.5


async def test_what_succeeds_in_the_end_is_returned() -> None:
    clock, errors = Sleeper(), [TemporaryError("Wait.", retry_after=7.0), TemporaryError("Again.")]

    async def call() -> str:
        if errors:
            raise errors.pop(0)
        return "done"

    assert await retried(call, BACKOFF, clock=clock) == "done"
    assert clock.slept == [7.0, 1.0]


async def test_the_last_attempt_is_not_followed_by_a_pause() -> None:
    clock = Sleeper()
    with pytest.raises(TemporaryError, match="Not now"):
        await retried(fail, BACKOFF, clock=clock, attempts=3)
    assert clock.slept == [0.5, 1.0]


async def test_no_attempt_comes_later_than_patience_allows() -> None:
    clock = Sleeper()
    with pytest.raises(TemporaryError, match="Not now"):
        await retried(fail, BACKOFF, clock=clock, patience=timedelta(seconds=7))
    assert clock.slept == [0.5, 1.0, 2.0, 3.0]


async def test_what_must_be_looked_at_first_is_not_repeated() -> None:
    clock = Sleeper()

    async def call() -> None:
        raise OutcomeUnknownError("Who knows?")

    with pytest.raises(OutcomeUnknownError):
        await retried(call, BACKOFF, clock=clock, unless=(OutcomeUnknownError,))
    assert clock.slept == []
