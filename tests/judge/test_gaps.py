"""Time in which nothing was read is neither quiet nor healthy: it is measured again."""

from __future__ import annotations

from datetime import timedelta

from bot.judge.counts import Baseline, Bucket, judged, missing_seconds, unread
from bot.judge.series import count
from bot.store.values import ScrapePoint
from tests.incident.story import BASELINE, NOON

THIN = BASELINE.model_copy(update={"requests": 60, "errors": 0})


def _minutes(*requests: int) -> tuple[Bucket, ...]:
    return tuple(
        Bucket(start=NOON + timedelta(minutes=i), seconds=60, requests=n, errors=0)
        for i, n in enumerate(requests)
    )


def _places(buckets: tuple[Bucket, ...]) -> list[int]:
    return [round((bucket.start - NOON) / timedelta(minutes=1)) for bucket in buckets]


def _gaps(
    *requests: int, told: tuple[int, ...] = (), baseline: Baseline | None = BASELINE
) -> list[int]:
    buckets = _minutes(*requests)
    return _places(unread(buckets, [buckets[i].start for i in told], baseline))


def test_an_empty_minute_before_a_busy_one_was_not_read() -> None:
    assert _gaps(600, 0, 0, 600) == [1, 2]


def test_empty_minutes_at_the_end_may_mean_that_traffic_has_stopped() -> None:
    assert _gaps(600, 600, 0, 0) == []


def test_what_the_source_calls_unread_is_a_gap_wherever_it_is() -> None:
    assert _gaps(600, 0, 0, told=(1, 2)) == [1, 2]


def test_an_empty_minute_of_a_service_with_hardly_any_traffic_is_just_quiet() -> None:
    assert _gaps(1, 0, 0, 1, baseline=THIN) == []
    assert _gaps(1, 0, 0, 1, baseline=None) == []


def test_minutes_that_were_not_read_are_not_held_against_the_traffic() -> None:
    buckets = _minutes(600, 0, 0, 600)
    starts = [bucket.start for bucket in buckets]
    assert _places(judged(buckets, starts[1:3])) == [0, 3]
    assert _places(judged(buckets, ())) == [0, 1, 2, 3]


def test_what_is_not_read_at_the_end_stays_in_the_evidence() -> None:
    buckets = _minutes(600, 600, 0, 0)
    assert _places(judged(buckets, [bucket.start for bucket in buckets[2:]])) == [0, 1, 2, 3]


def test_it_is_measured_on_until_as_much_is_read_as_was_intended() -> None:
    buckets = _minutes(*[600] * 4, 0, 0, 0, *[600] * 3)
    gaps = buckets[4:7]
    assert missing_seconds(buckets, gaps, 600) == 180
    assert missing_seconds(buckets, (), 600) == 0


def test_it_is_measured_on_for_the_whole_length_at_most() -> None:
    buckets = _minutes(*[0] * 63)
    assert missing_seconds(buckets, buckets, 600) == 600


def test_a_gap_is_made_up_for_already_when_the_bot_came_back_long_after() -> None:
    buckets = _minutes(*[0] * 5, *[600] * 12)
    assert missing_seconds(buckets, buckets[:5], 600) == 0


def _reading(minute: float, requests: float) -> ScrapePoint:
    return ScrapePoint(
        service="checkout",
        at=NOON + timedelta(minutes=minute),
        instance="pod-1",
        release="v2.0.0",
        born_at=NOON - timedelta(hours=1),
        requests=requests,
        errors=0,
    )


def test_readings_tell_a_quiet_minute_from_one_that_nobody_read() -> None:
    """Read every half minute, quiet in the second one, and away from the third to the sixth."""
    away = [_reading(at / 2, 100 if at < 2 else 160) for at in (-1, 0, 1, 2, 3, 4, 12, 13, 14)]
    counts = count(
        away,
        start=NOON,
        end=NOON + 7 * timedelta(minutes=1),
        seconds=60,
        longest=timedelta(seconds=90),
    )
    assert [bucket.requests for bucket in counts.buckets] == [60, 0, 0, 0, 0, 0, 0]
    missing = [round((start - NOON) / timedelta(minutes=1)) for start in counts.unread]
    assert missing == [2, 3, 4, 5]
