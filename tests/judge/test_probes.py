"""Synthetic probes: they may prove failure, recovery only where users are never enough."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.judge.bounds import exact_bounds
from bot.judge.counts import Baseline, Bucket, Judgement, JudgePolicy, RecoveryVerdict, error_limit
from bot.judge.judge import judge, thin_baseline
from bot.judge.probes import Evidence, ProbeBucket
from tests.incident.story import NOON

RECOVERED = RecoveryVerdict.RECOVERED
NOT_RECOVERED = RecoveryVerdict.NOT_RECOVERED
INCONCLUSIVE = RecoveryVerdict.INCONCLUSIVE
POLICY = JudgePolicy()
LIMIT = error_limit(0.001, POLICY)


def baseline(per_minute: float, rate: float = 0.001) -> Baseline:
    """A day of it, so that a thin service has counts enough to tell its rate."""
    requests = round(per_minute * 1440)
    return Baseline(
        start=NOON - timedelta(days=1), end=NOON, requests=requests, errors=round(rate * requests)
    )


def minutes(counts: Sequence[tuple[int, int]]) -> tuple[Bucket, ...]:
    return tuple(
        Bucket(start=NOON + timedelta(minutes=i), seconds=60, requests=requests, errors=errors)
        for i, (requests, errors) in enumerate(counts)
    )


def probes(counts: Sequence[tuple[int, int]]) -> tuple[ProbeBucket, ...]:
    """One batch a minute of (answered, failed)."""
    return tuple(
        ProbeBucket(
            start=NOON + timedelta(minutes=i), seconds=60, sent=sent, answered=sent, failed=failed
        )
        for i, (sent, failed) in enumerate(counts)
    )


def test_a_thin_service_is_proven_well_by_probes_and_it_is_said_that_they_are_synthetic() -> None:
    without = judge(baseline(20), minutes([(20, 0)] * 10))
    assert without.verdict is INCONCLUSIVE
    judgement = judge(baseline(20), minutes([(80, 0)] * 10), probes=probes([(60, 0)] * 10))
    assert judgement.verdict is RECOVERED
    assert (judgement.probes, judgement.failed_probes) == (600, 0)
    assert "600 synthetic probes were sent, 0 failed" in judgement.reasons[1]
    assert "beside 200 requests of users" in judgement.reasons[1]


def test_a_busy_service_whose_users_stay_away_is_not_proven_well_by_probes() -> None:
    judgement = judge(baseline(600), minutes([(160, 0)] * 10), probes=probes([(100, 0)] * 10))
    assert judgement.verdict is INCONCLUSIVE
    assert (
        "600 requests are too few: normal traffic would bring about 6,000" in judgement.reasons[0]
    )
    assert "they stand for no user" in judgement.reasons[-1]


def test_probes_never_make_up_for_users_of_a_busy_service_even_when_all_are_counted() -> None:
    """Half of normal only together with the probes: they are subtracted, not added."""
    judgement = judge(baseline(600), minutes([(320, 0)] * 10), probes=probes([(60, 0)] * 10))
    assert "2,600 requests are too few" in judgement.reasons[0]


def test_failing_probes_prove_a_failure_where_no_user_comes() -> None:
    judgement = judge(baseline(600), minutes([(0, 0)] * 10), probes=probes([(30, 12)] * 10))
    assert judgement.verdict is NOT_RECOVERED
    assert "300 synthetic probes were sent, 120 failed" in judgement.reasons[1]


def test_probes_that_succeed_do_not_hide_that_users_fail() -> None:
    proven = judge(baseline(20), minutes([(80, 8)] * 10), probes=probes([(60, 0)] * 10))
    assert proven.verdict is NOT_RECOVERED
    few = judge(baseline(2), minutes([(62, 0)] * 9 + [(62, 1)]), probes=probes([(60, 0)] * 10))
    assert few.verdict is INCONCLUSIVE
    assert any("1 of 20 requests of users failed, whatever" in reason for reason in few.reasons)


def test_users_of_a_busy_service_prove_the_failure_that_probes_would_thin_out() -> None:
    """Thirteen of a thousand: clear by themselves, lost among ten thousand probes that pass."""
    users, passing = [(100, 1)] * 7 + [(100, 2)] * 3, probes([(1000, 0)] * 10)
    proven = judge(baseline(100), minutes(users), probes=passing)
    assert proven.verdict is NOT_RECOVERED
    assert proven.lower == pytest.approx(exact_bounds(13, 1000)[0])
    together = Evidence.of(1000, 13, passing)
    assert exact_bounds(*together.hopeful)[0] < LIMIT


def test_probes_that_fail_are_not_taken_for_users_who_do() -> None:
    """All errors may be the probes' own: they prove nothing about users by themselves."""
    evidence = Evidence.of(1000, 40, probes([(50, 4)] * 10))
    assert evidence.users_hopeful == (0, 1000)
    assert evidence.users_doubtful == (40, 500)


def test_a_baseline_too_small_to_tell_what_is_normal_is_held_to_the_strictest_limit() -> None:
    known = Baseline(start=NOON - timedelta(hours=1), end=NOON, requests=40, errors=2)
    judgement = judge(known, minutes([(121, 0)] * 10), probes=probes([(120, 0)] * 10))
    assert judgement.limit == POLICY.margin
    assert judgement.verdict is RECOVERED
    assert "the strictest limit holds" in judgement.reasons[1]


def test_probes_sent_outside_the_intervals_are_no_evidence() -> None:
    late = [
        batch.model_copy(update={"start": batch.start + timedelta(hours=1)})
        for batch in probes([(600, 0)] * 10)
    ]
    judgement = judge(baseline(20), minutes([(20, 0)] * 10), probes=late)
    assert (judgement.verdict, judgement.probes) == (INCONCLUSIVE, 0)


def test_probes_without_an_outcome_are_subtracted_and_prove_nothing() -> None:
    """A process died behind them: they may have been sent, and may have been counted."""
    lost = [
        batch.model_copy(update={"answered": 0, "failed": 0}) for batch in probes([(60, 0)] * 10)
    ]
    judgement = judge(baseline(600), minutes([(320, 0)] * 10), probes=lost)
    assert judgement.probes == 0
    assert "2,600 requests are too few" in judgement.reasons[0]


@pytest.mark.parametrize(
    ("per_minute", "thin"), [(1, True), (20, True), (49, True), (51, False), (600, False)]
)
def test_thin_is_what_proves_nothing_in_ten_minutes_even_without_an_error(
    per_minute: float, thin: bool
) -> None:
    assert thin_baseline(baseline(per_minute), 600) is thin


measured = st.integers(0, 400).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


@given(users=measured, sent=measured, part=st.floats(0, 1), errors=st.floats(0, 1))
def test_whatever_part_of_the_probes_was_measured_every_bound_is_on_the_safe_side(
    users: tuple[int, int], sent: tuple[int, int], part: float, errors: float
) -> None:
    """The truth is users and probes together; the service counted all users, some probes."""
    requests, failed = users
    probed, probes_failed = sent
    counted_failed = round(probes_failed * errors)
    counted = max(counted_failed, round(probed * part))
    evidence = Evidence(
        requests=requests + counted,
        errors=failed + counted_failed,
        sent=probed,
        answered=probed,
        failed=probes_failed,
    )
    truth = exact_bounds(failed + probes_failed, requests + probed)
    alone = exact_bounds(failed, requests)
    slack = 1e-9
    assert exact_bounds(*evidence.hopeful)[0] <= truth[0] + slack
    assert exact_bounds(*evidence.doubtful)[1] >= truth[1] - slack
    assert exact_bounds(*evidence.users_hopeful)[0] <= alone[0] + slack
    assert exact_bounds(*evidence.users_doubtful)[1] >= alone[1] - slack
    assert evidence.users <= requests


@settings(max_examples=40)
@given(
    counts=st.lists(measured, min_size=5, max_size=10),
    sent=st.lists(measured, min_size=5, max_size=10),
    per_minute=st.sampled_from([1.0, 20.0, 600.0]),
)
def test_probes_are_recovered_only_with_all_conditions_and_never_for_a_busy_service(
    counts: list[tuple[int, int]], sent: list[tuple[int, int]], per_minute: float
) -> None:
    known, buckets, batches = baseline(per_minute), minutes(counts), probes(sent)
    judgement = judge(known, buckets, probes=batches)
    if judgement.verdict is RECOVERED:
        assert judgement.upper is not None
        assert judgement.upper <= LIMIT
        if not thin_baseline(known, 60 * len(buckets)):
            users = [(max(0, n - p), e) for (n, e), (p, _) in zip(counts, sent, strict=False)]
            enough = sum(n for n, _ in users) + sum(n for n, _ in counts[len(users) :])
            assert enough >= per_minute * len(buckets) / 2


def verdicts(
    rate: float, *, per_minute: float, probes_rate: float, counted: bool, runs: int
) -> list[Judgement]:
    """Ten minutes of simulated users and a probe a second; ``counted`` says by the service too.

    Runs that no judge could call recovered are left out: more errors than the limit allows.
    """
    rng = np.random.default_rng(round(per_minute) + counted)
    requests = rng.poisson(per_minute, size=(runs, 10))
    errors = rng.binomial(requests, rate)
    failed = rng.binomial(60, probes_rate, size=(runs, 10))
    known = baseline(per_minute)
    hopeful = errors.sum(axis=1) + failed.sum(axis=1) <= LIMIT * (requests.sum(axis=1) + 600)
    found = []
    for n, e, f in zip(requests[hopeful], errors[hopeful], failed[hopeful], strict=True):
        seen = zip(n + 60 * counted, e + f * counted, strict=True)
        buckets = minutes([(int(a), int(b)) for a, b in seen])
        found.append(judge(known, buckets, probes=probes([(60, int(x)) for x in f])))
    return found


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("per_minute", [5, 20, 40])
def test_a_thin_service_at_the_limit_is_called_recovered_in_five_of_a_hundred_cases_at_most(
    per_minute: int, counted: bool
) -> None:
    runs = 300
    found = verdicts(LIMIT, per_minute=per_minute, probes_rate=LIMIT, counted=counted, runs=runs)
    wrong = sum(one.verdict is RECOVERED for one in found)
    assert wrong / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


@pytest.mark.parametrize("counted", [True, False])
def test_three_per_cent_is_never_called_recovered_with_probes_either(counted: bool) -> None:
    for per_minute in (20, 100, 600):
        found = verdicts(
            0.03, per_minute=per_minute, probes_rate=0.03, counted=counted, runs=10_000
        )
        assert not any(one.verdict is RECOVERED for one in found)


def test_a_thin_healthy_service_is_mostly_proven_well_with_probes() -> None:
    found = verdicts(0.0, per_minute=20, probes_rate=0.0, counted=True, runs=50)
    assert all(one.verdict is RECOVERED for one in found)


def test_probes_that_pass_do_not_call_a_busy_service_recovered_whose_users_fail() -> None:
    found = verdicts(0.03, per_minute=100, probes_rate=0.0, counted=True, runs=10_000)
    assert not any(one.verdict is RECOVERED for one in found)
