"""The judge: recovery is proven or it is not claimed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import binom

from bot.judge.bounds import exact_bounds
from bot.judge.counts import (
    Baseline,
    Bucket,
    Judgement,
    JudgePolicy,
    RecoveryVerdict,
    complete_buckets,
    error_limit,
)
from bot.judge.judge import judge

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
RECOVERED = RecoveryVerdict.RECOVERED
NOT_RECOVERED = RecoveryVerdict.NOT_RECOVERED
INCONCLUSIVE = RecoveryVerdict.INCONCLUSIVE
POLICY = JudgePolicy()


def baseline(rate: float = 0.001, per_minute: float = 600) -> Baseline:
    requests = round(per_minute * 60)
    return Baseline(
        start=NOON - timedelta(hours=2),
        end=NOON - timedelta(hours=1),
        requests=requests,
        errors=round(rate * requests),
    )


def minutes(counts: Sequence[tuple[int, int]]) -> tuple[Bucket, ...]:
    """One-minute buckets of (requests, errors)."""
    return tuple(
        Bucket(start=NOON + timedelta(minutes=i), seconds=60, requests=requests, errors=errors)
        for i, (requests, errors) in enumerate(counts)
    )


def test_a_quiet_service_with_its_usual_traffic_is_recovered() -> None:
    judgement = judge(baseline(), minutes([(600, 0)] * 10))
    assert judgement.verdict is RECOVERED
    assert judgement.limit == pytest.approx(0.006)
    assert judgement.upper is not None
    assert judgement.limit is not None
    assert judgement.upper < judgement.limit
    assert "within the limit of 0.60%" in judgement.reasons[0]


def test_a_target_that_is_broken_too_is_not_recovered() -> None:
    judgement = judge(baseline(), minutes([(600, 120)] * 5))
    assert judgement.verdict is NOT_RECOVERED
    assert "above the limit" in judgement.reasons[0]
    assert judgement.error_rate == pytest.approx(0.2)


def test_not_recovered_is_told_at_once_without_waiting_for_enough_intervals() -> None:
    assert judge(baseline(), minutes([(600, 300)])).verdict is NOT_RECOVERED


INCONCLUSIVE_CASES = {
    "no buckets at all": (baseline(), [], "are too few"),
    "traffic stopped": (baseline(), [(0, 0)] * 10, "too few"),
    "no baseline": (None, [(600, 0)] * 10, "no baseline"),
    "an empty baseline": (
        Baseline(start=NOON, end=NOON, requests=0, errors=0),
        [(600, 0)] * 10,
        "no baseline",
    ),
    "a baseline of a few requests": (baseline(0.02, 1), [(600, 0)] * 10, "what is normal"),
    "too few intervals": (baseline(), [(600, 0)] * 4, "only 4 of 5"),
    "a gap that leaves too few intervals": (
        baseline(),
        [(600, 0), (0, 0), (600, 0), (600, 0), (600, 0)],
        "only 4 of 5",
    ),
    "a gap at the end": (
        baseline(),
        [(600, 0)] * 9 + [(0, 0)],
        "nothing was measured in the interval from 12:09:00",
    ),
    "traffic under half of normal": (baseline(), [(299, 0)] * 10, "would bring about 6,000"),
    "traffic that died away at the end": (
        baseline(),
        [(900, 0)] * 7 + [(5, 0)] * 3,
        "15 requests at the end",
    ),
    "too few requests to be sure": (baseline(0.001, 20), [(20, 0)] * 10, "may still be"),
    "a relapse in the last interval": (
        baseline(),
        [(600, 0)] * 9 + [(600, 6)],
        "the interval from 12:09:00 UTC had 1.00% errors",
    ),
    "a relapse three intervals ago": (
        baseline(),
        [(600, 0)] * 7 + [(600, 6), (600, 0), (600, 0)],
        "the interval from 12:07:00",
    ),
}


@pytest.mark.parametrize("case", INCONCLUSIVE_CASES)
def test_what_is_not_proven_is_inconclusive_and_says_why(case: str) -> None:
    known, counts, reason = INCONCLUSIVE_CASES[case]
    judgement = judge(known, minutes(counts))
    assert judgement.verdict is INCONCLUSIVE
    assert any(reason in text for text in judgement.reasons), judgement.reasons


def test_an_interval_exactly_at_the_limit_is_within_it() -> None:
    assert judge(baseline(), minutes([(1000, 0)] * 9 + [(1000, 6)])).verdict is RECOVERED


def test_a_gap_in_the_middle_is_forgiven_when_enough_was_measured_around_it() -> None:
    counts = [(600, 0)] * 4 + [(0, 0)] + [(600, 0)] * 5
    assert judge(baseline(), minutes(counts)).verdict is RECOVERED


def test_counts_are_pooled_so_that_a_thin_interval_weighs_little() -> None:
    """Averaged ratios would say 5 %: one failed request of two in one interval of ten."""
    counts = [(2, 1)] + [(1200, 0)] * 9
    judgement = judge(baseline(), minutes(counts))
    assert judgement.verdict is RECOVERED
    assert judgement.error_rate == pytest.approx(1 / 10802)


@pytest.mark.parametrize(
    ("normal", "limit"),
    [(0, 0.005), (0.001, 0.006), (0.005, 0.01), (0.01, 0.02), (0.02, 0.04), (0.3, 0.05)],
)
def test_the_limit_is_the_baseline_and_a_margin_but_never_an_emergency(
    normal: float, limit: float
) -> None:
    assert error_limit(normal, POLICY) == pytest.approx(limit)


def test_a_margin_that_reaches_into_an_emergency_is_refused() -> None:
    assert JudgePolicy(margin=0.05).highest_limit == 0.05
    with pytest.raises(ValidationError, match=r"margin 0\.06 is more than highest_limit 0\.05"):
        JudgePolicy(margin=0.06)


def test_only_intervals_that_have_ended_are_judged() -> None:
    buckets = minutes([(600, 0)] * 3)
    assert complete_buckets(buckets, NOON + timedelta(minutes=3)) == buckets
    assert complete_buckets(buckets, NOON + timedelta(minutes=2, seconds=59)) == buckets[:2]


def cumulative(hits: int, trials: int, share: float) -> float:
    """P(at most so many hits)."""
    return float(binom.cdf(hits, trials, share))


@given(trials=st.integers(1, 20_000), part=st.floats(0, 1))
def test_a_bound_is_wrong_in_exactly_five_of_a_hundred_cases_at_most(
    trials: int, part: float
) -> None:
    hits = min(trials, round(part**4 * trials), 2_000)
    lower, upper = exact_bounds(hits, trials)
    assert lower <= hits / trials <= upper
    if hits < trials:
        assert cumulative(hits, trials, upper) == pytest.approx(0.05, rel=1e-4)
    if hits > 0:
        assert 1 - cumulative(hits - 1, trials, lower) == pytest.approx(0.05, rel=1e-4)


def test_published_bounds_are_met() -> None:
    """The rule of three, and 5 of 20 from a table of Clopper-Pearson limits (90 % two-sided)."""
    assert exact_bounds(0, 1000)[1] == pytest.approx(1 - 0.05 ** (1 / 1000))
    assert exact_bounds(5, 20) == pytest.approx((0.1041, 0.4556), abs=5e-5)
    assert exact_bounds(0, 0) == (0.0, 1.0)
    assert exact_bounds(7, 7)[1] == 1.0


counts_of_minutes = st.lists(
    st.integers(0, 1500).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, min(n, 30)))),
    max_size=12,
)


@settings(max_examples=60)
@given(counts=counts_of_minutes, normal=st.sampled_from([0.0, 0.001, 0.005, 0.01, 0.2]))
def test_recovered_is_only_ever_said_with_all_its_conditions(
    counts: list[tuple[int, int]], normal: float
) -> None:
    known, buckets = baseline(normal), minutes(counts)
    judgement = judge(known, buckets)
    limit = error_limit(known.error_rate or 0, POLICY)
    if judgement.verdict is RECOVERED:
        assert judgement.upper is not None
        assert judgement.upper <= limit
        assert sum(1 for b in buckets if b.requests) >= 5
        assert all(b.requests and b.errors <= limit * b.requests for b in buckets[-3:])
        assert judgement.requests >= 300 * len(buckets)
    if judgement.verdict is NOT_RECOVERED:
        assert judgement.lower is not None
        assert judgement.lower > limit
    assert judgement.reasons


@settings(max_examples=60)
@given(counts=counts_of_minutes, where=st.integers(0, 11))
def test_one_more_error_never_helps(counts: list[tuple[int, int]], where: int) -> None:
    order = [RECOVERED, INCONCLUSIVE, NOT_RECOVERED]
    before = judge(baseline(), minutes(counts))
    worse = [
        (n, min(n, errors + 1)) if index == where else (n, errors)
        for index, (n, errors) in enumerate(counts)
    ]
    after = judge(baseline(), minutes(worse))
    assert order.index(after.verdict) >= order.index(before.verdict)


def verdicts(
    true_rate: float, normal: float, per_minute: float, *, runs: int, length: int = 10
) -> list[Judgement]:
    """What the judge says of simulated services, where it could say RECOVERED at all.

    Runs whose pooled error rate is above the limit are left to the property test above: their
    upper bound lies above the limit as well.
    """
    rng = np.random.default_rng(round(per_minute))
    requests = rng.poisson(per_minute, size=(runs, length))
    errors = rng.binomial(requests, true_rate)
    known = baseline(normal, per_minute)
    limit = error_limit(known.error_rate or 0, POLICY)
    hopeful = errors.sum(axis=1) <= limit * requests.sum(axis=1)
    return [
        judge(known, minutes(list(zip(n.tolist(), e.tolist(), strict=True))))
        for n, e in zip(requests[hopeful], errors[hopeful], strict=True)
    ]


def share_recovered(judgements: list[Judgement], runs: int) -> float:
    return sum(judgement.verdict is RECOVERED for judgement in judgements) / runs


@pytest.mark.parametrize("per_minute", [20, 100, 600])
def test_three_per_cent_over_a_tenth_is_never_called_recovered(per_minute: int) -> None:
    runs = 10_000
    assert share_recovered(verdicts(0.03, 0.001, per_minute, runs=runs), runs) == 0


@pytest.mark.parametrize("per_minute", [20, 100, 600])
def test_a_service_at_the_limit_is_called_recovered_in_five_of_a_hundred_cases_at_most(
    per_minute: int,
) -> None:
    runs = 600
    judgements = verdicts(error_limit(0.001, POLICY), 0.001, per_minute, runs=runs)
    three_sigma = 3 * math.sqrt(0.05 * 0.95 / runs)
    assert share_recovered(judgements, runs) <= 0.05 + three_sigma


@pytest.mark.parametrize("limit", [0.005, 0.006, 0.01, 0.02, 0.05])
def test_at_the_limit_the_bound_alone_errs_in_five_of_a_hundred_cases_at_most(
    limit: float,
) -> None:
    """For every number of requests, with the most errors that the bound accepts."""
    accepted = 0
    for requests in range(50, 4000, 79):
        while exact_bounds(accepted, requests)[1] <= limit:
            accepted += 1
        if accepted:
            assert cumulative(accepted - 1, requests, limit) <= 0.05 + 1e-9


@pytest.mark.parametrize(
    ("normal", "requests"), [(0.0, 600), (0.001, 1500), (0.005, 3000), (0.01, 1500)]
)
def test_enough_requests_prove_a_healthy_service_nine_times_in_ten(
    normal: float, requests: int
) -> None:
    limit = error_limit(normal, POLICY)
    accepted = 0
    while exact_bounds(accepted, requests)[1] <= limit:
        accepted += 1
    assert accepted > 0
    power = cumulative(accepted - 1, requests, normal) if normal else 1.0
    assert power >= 0.9


def test_a_busy_healthy_service_is_recovered_after_ten_minutes() -> None:
    runs = 400
    assert share_recovered(verdicts(0.001, 0.001, 600, runs=runs), runs) >= 0.95
