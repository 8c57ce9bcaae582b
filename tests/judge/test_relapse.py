"""A relapse takes proof, as a failed recovery does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest

from bot.judge.counts import Baseline, Bucket, JudgePolicy, error_limit
from bot.judge.judge import relapsed
from tests.incident.story import BASELINE, NOON

POLICY = JudgePolicy()
LOOKS = 120


def _window(counts: Sequence[tuple[int, int]]) -> list[Bucket]:
    return [
        Bucket(start=NOON + timedelta(minutes=i), seconds=60, requests=requests, errors=errors)
        for i, (requests, errors) in enumerate(counts)
    ]


def test_errors_that_are_back_are_a_relapse_with_its_figures() -> None:
    judgement = relapsed(BASELINE, _window([(600, 30)] * 5), POLICY, looks=LOOKS)
    assert judgement is not None
    assert "150 of 3000 requests failed since 12:00:00 UTC" in judgement.reasons[0]
    assert judgement.error_rate == pytest.approx(0.05)


@pytest.mark.parametrize(
    "counts",
    [
        [(600, 0)] * 5,
        [(0, 0)] * 5,
        [(3, 1)] + [(3, 0)] * 4,
        # A burst that is over.
        [(600, 300), (600, 0), (600, 0), (600, 0), (600, 0)],
        [],
    ],
    ids=["healthy", "no traffic", "one of fifteen", "a burst that is over", "nothing yet"],
)
def test_what_is_no_proof_is_no_relapse(counts: list[tuple[int, int]]) -> None:
    assert relapsed(BASELINE, _window(counts), POLICY, looks=LOOKS) is None


def test_a_service_exactly_at_the_limit_is_rarely_alarmed_about_in_a_whole_hour() -> None:
    """Sixty looks at rolling windows of five minutes: one hour in twenty at most, together."""
    rng = np.random.default_rng(4)
    limit = error_limit(BASELINE.error_rate or 0, POLICY)
    hours = 150
    alarms = 0
    for _ in range(hours):
        requests = rng.poisson(100, size=60)
        errors = rng.binomial(requests, limit)
        minutes = _window([(int(n), int(k)) for n, k in zip(requests, errors, strict=True)])
        windows = (minutes[max(0, end - 5) : end] for end in range(1, 61))
        alarms += any(
            sum(b.errors for b in w) > 3 and relapsed(BASELINE, w, POLICY, looks=LOOKS)
            for w in windows
        )
    assert alarms / hours <= 0.05 + 3 * (0.05 * 0.95 / hours) ** 0.5


def test_a_baseline_without_requests_proves_no_relapse() -> None:
    empty = Baseline(start=NOON, end=NOON, requests=0, errors=0)
    assert relapsed(empty, _window([(600, 300)] * 5), POLICY, looks=LOOKS) is None
