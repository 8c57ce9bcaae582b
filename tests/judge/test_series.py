"""From readings to counts: what is known is counted once, what is not known is not invented."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.judge.series import Counts, count, quantile
from bot.store.values import ScrapePoint

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LONGEST = timedelta(seconds=45)


def reading(
    at: float,
    requests: float,
    errors: float = 0,
    *,
    instance: str = "a",
    release: str = "v1",
    born: float = -3600,
    slow: float = 0,
) -> ScrapePoint:
    """A reading so many seconds after noon."""
    return ScrapePoint(
        service="checkout",
        at=NOON + timedelta(seconds=at),
        instance=instance,
        release=release,
        born_at=NOON + timedelta(seconds=born),
        requests=requests,
        errors=errors,
        duration_sum=slow,
        duration_count=requests,
    )


def counted(
    *readings: ScrapePoint, start: float = 0, end: float = 60, seconds: float = 60
) -> Counts:
    return count(
        readings,
        start=NOON + timedelta(seconds=start),
        end=NOON + timedelta(seconds=end),
        seconds=seconds,
        longest=LONGEST,
    )


def per_bucket(counts: Counts) -> list[tuple[int, int]]:
    return [(bucket.requests, bucket.errors) for bucket in counts.buckets]


def test_what_happened_between_two_readings_is_their_difference() -> None:
    counts = counted(reading(0, 1000, 10), reading(30, 1060, 13), reading(60, 1100, 13))
    assert per_bucket(counts) == [(100, 3)]


def test_an_increment_across_buckets_is_shared_in_proportion_to_time() -> None:
    counts = counted(reading(10, 0), reading(40, 30, 3), end=60, seconds=20)
    assert per_bucket(counts) == [(10, 1), (20, 2), (0, 0)]


def test_the_buckets_cover_the_span_and_the_last_may_reach_beyond_it() -> None:
    counts = counted(end=130)
    assert [b.start for b in counts.buckets] == [NOON + timedelta(seconds=s) for s in (0, 60, 120)]
    assert {b.seconds for b in counts.buckets} == {60}


def test_what_happened_after_the_end_is_not_counted() -> None:
    counts = counted(reading(40, 0), reading(80, 40), end=60)
    assert per_bucket(counts) == [(20, 0)]


def test_an_empty_span_has_no_buckets() -> None:
    assert counted(reading(0, 1), reading(30, 2), end=0).buckets == ()


def test_a_gap_between_readings_counts_nothing() -> None:
    readings = [reading(0, 0), reading(15, 100), reading(165, 1100), reading(180, 1200)]
    assert per_bucket(counted(*readings, end=180)) == [(100, 0), (0, 0), (100, 0)]


def test_one_lost_reading_is_bridged() -> None:
    assert per_bucket(counted(reading(0, 0), reading(30, 300), reading(45, 450))) == [(450, 0)]


def test_a_single_reading_of_an_old_instance_tells_nothing() -> None:
    counts = counted(reading(30, 1_000_000, 500_000))
    assert per_bucket(counts) == [(0, 0)]
    assert counts.latency_ms is None
    assert counts.requests_by_release == {}


def test_an_instance_born_inside_the_span_counts_from_zero() -> None:
    counts = counted(reading(30, 50, 5, born=20), reading(45, 80, 5, born=20))
    assert per_bucket(counts) == [(80, 5)]


def test_a_restarted_container_counts_from_zero_again() -> None:
    readings = [reading(0, 1000), reading(15, 1100), reading(30, 40, born=20)]
    assert per_bucket(counted(*readings)) == [(140, 0)]


def test_a_restart_is_seen_even_when_the_counter_has_overtaken_its_old_value() -> None:
    assert per_bucket(counted(reading(0, 10), reading(30, 25, born=5))) == [(25, 0)]


def test_a_counter_that_fell_without_a_restart_counts_nothing_until_the_next_reading() -> None:
    """Two recorders whose clocks differ may leave their readings in the wrong order."""
    readings = [reading(0, 1000, 400), reading(15, 990, 398), reading(30, 1010, 401)]
    assert per_bucket(counted(*readings)) == [(20, 3)]


def test_errors_from_before_the_span_do_not_leak_into_it() -> None:
    """The evidence after a switch must not hold the failures from before it."""
    outage = [reading(-5, 1000, 0), reading(10, 2000, 900)]
    assert per_bucket(counted(*outage, reading(25, 2100, 900))) == [(100, 0)]


def test_two_readings_at_the_same_moment_count_what_they_differ_by() -> None:
    assert per_bucket(counted(reading(10, 5), reading(10, 7), reading(20, 9))) == [(4, 0)]


def test_readings_may_come_in_any_order() -> None:
    assert per_bucket(counted(reading(30, 60), reading(0, 0), reading(15, 20))) == [(60, 0)]


def test_releases_are_told_apart_and_those_without_requests_left_out() -> None:
    counts = counted(
        *(reading(0, 0, instance=i, release=r) for i, r in (("a", "v1"), ("b", "v2"), ("c", "v3"))),
        reading(30, 10, instance="a", release="v1"),
        reading(30, 30, instance="b", release="v2"),
        reading(30, 0, instance="c", release="v3"),
    )
    assert counts.requests_by_release == {"v1": 10, "v2": 30}
    assert per_bucket(counts) == [(40, 0)]


def test_latency_is_the_mean_over_requests_not_over_instances() -> None:
    counts = counted(
        reading(0, 0, instance="busy"),
        reading(0, 0, instance="idle"),
        reading(30, 90, slow=9.0, instance="busy"),
        reading(30, 10, slow=6.0, instance="idle"),
    )
    assert counts.latency_ms == 150.0


@given(
    steps=st.lists(
        st.tuples(st.floats(1, 44), st.integers(0, 500), st.integers(0, 500)), max_size=12
    ),
    seconds=st.floats(2, 90),
)
def test_however_the_buckets_lie_nothing_is_lost_or_counted_twice(
    steps: list[tuple[float, int, int]], seconds: float
) -> None:
    at, requests, errors = 0.0, 0, 0
    readings = [reading(0, 0)]
    for wait, good, bad in steps:
        at, requests, errors = at + wait, requests + good + bad, errors + bad
        readings.append(reading(at, requests, errors))
    counts = counted(*readings, end=at + 1, seconds=seconds)
    assert sum(b.requests for b in counts.buckets) == requests
    assert sum(b.errors for b in counts.buckets) == errors


def test_quantiles_are_those_of_the_span_and_not_of_the_whole_past() -> None:
    fast = {"0.1": 900.0, "0.5": 900.0, "+Inf": 900.0}
    slow = {"0.1": 900.0, "0.5": 1000.0, "+Inf": 1000.0}
    counts = counted(
        reading(0, 900).model_copy(update={"duration_buckets": fast}),
        reading(30, 1000).model_copy(update={"duration_buckets": slow}),
    )
    assert counts.p95_ms == pytest.approx(480)
    assert counts.p99_ms == pytest.approx(496)


def test_a_reading_that_was_kept_without_its_histogram_tells_no_quantile() -> None:
    buckets = {"0.1": 1000.0, "+Inf": 1000.0}
    counts = counted(
        reading(0, 900), reading(30, 1000).model_copy(update={"duration_buckets": buckets})
    )
    assert counts.p95_ms is None


def test_business_is_counted_per_minute_of_the_time_in_which_it_was_measured() -> None:
    def orders(at: float, count: float, instance: str) -> ScrapePoint:
        return reading(at, 0, instance=instance).model_copy(update={"business": count})

    counts = counted(
        orders(0, 100, "a"), orders(30, 110, "a"), orders(0, 0, "b"), orders(30, 5, "b"), end=600
    )
    assert counts.business_per_minute == pytest.approx(30)
    assert counted(reading(0, 0), reading(30, 5)).business_per_minute is None


def test_the_fullest_instance_tells_the_saturation_as_it_was_at_the_end() -> None:
    def full(at: float, share: float | None, instance: str) -> ScrapePoint:
        return reading(at, 0, instance=instance).model_copy(update={"saturation": share})

    counts = counted(full(0, 0.9, "a"), full(30, 0.4, "a"), full(30, 0.6, "b"), full(30, None, "c"))
    assert counts.saturation == 0.6


@pytest.mark.parametrize(
    ("buckets", "expected"),
    [
        ({}, None),
        ({"+Inf": 10.0}, None),
        ({"0.1": 0.0, "+Inf": 0.0}, None),
        ({"0.1": 100.0, "+Inf": 100.0}, 0.05),
        ({"0.1": 50.0, "0.2": 100.0, "+Inf": 100.0}, 0.1),
        ({"0.1": 0.0, "0.2": 0.0, "+Inf": 7.0}, 0.2),
    ],
)
def test_a_quantile_lies_where_promql_sees_it(
    buckets: dict[str, float], expected: float | None
) -> None:
    assert quantile(0.5, buckets) == (None if expected is None else pytest.approx(expected))
