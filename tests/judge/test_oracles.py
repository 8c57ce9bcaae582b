"""What the judge computes by itself, held against SciPy: bounds, verdicts and quantiles."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom, binomtest, rv_histogram

from bot.judge.bounds import exact_bounds
from bot.judge.counts import RecoveryVerdict, error_limit
from bot.judge.judge import judge, relapsed, thin_baseline
from bot.judge.series import quantile
from tests.judge.test_judge import POLICY, baseline, minutes

CONFIDENCES = [0.5, 0.9, 0.95, 0.975, 1 - 0.05 / 60, 1 - 1e-6]
CLOSE = 1e-6
"""Relative; a bound is bisected to 1e-9 of itself."""


COUNTS = st.integers(1, 10**7).flatmap(
    # Few errors are what matters; many, and nothing but errors, are there too.
    lambda n: st.tuples(
        st.integers(0, min(n, 50)) | st.integers(0, n) | st.integers(max(0, n - 50), n),
        st.just(n),
    )
)
MINUTES = st.lists(
    st.integers(1, 1500).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, min(n, 30)))),
    min_size=1,
    max_size=12,
)
RATES = st.sampled_from([0.0, 0.001, 0.005, 0.01, 0.2])


# Bounds


@pytest.mark.parametrize("confidence", CONFIDENCES)
@pytest.mark.parametrize("trials", [1, 2, 3, 10, 29, 448, 1_000, 50_000, 1_000_000, 10_000_000])
def test_bounds_are_the_exact_interval_of_scipy(trials: int, confidence: float) -> None:
    for hits in sorted({0, 1, 2, 7, trials // 1000, trials // 2, trials - 1, trials}):
        if not 0 <= hits <= trials:
            continue
        above, below = (
            binomtest(hits, trials, alternative=side).proportion_ci(confidence, method="exact")
            for side in ("greater", "less")
        )
        assert exact_bounds(hits, trials, confidence) == pytest.approx(
            (above.low, below.high), rel=CLOSE
        )


@settings(max_examples=100, deadline=None)
@given(counts=COUNTS, confidence=st.floats(0.5, 1 - 1e-9))
def test_bounds_are_quantiles_of_beta_distributions(
    counts: tuple[int, int], confidence: float
) -> None:
    hits, trials = counts
    lower, upper = exact_bounds(hits, trials, confidence)
    if hits:
        quantile_below = beta.ppf(1 - confidence, hits, trials - hits + 1)
        assert lower == pytest.approx(quantile_below, rel=CLOSE)
    if hits < trials:
        quantile_above = beta.isf(1 - confidence, hits + 1, trials - hits)
        assert upper == pytest.approx(quantile_above, rel=CLOSE)
    assert (lower > 0) == (hits > 0)


@pytest.mark.parametrize("share", [0.0005, 0.006, 0.05, 0.5])
@pytest.mark.parametrize("trials", [20, 200])
def test_whatever_the_truth_a_bound_misses_it_in_five_of_a_hundred_cases_at_most(
    trials: int, share: float
) -> None:
    """Summed over every count that could be seen, so exact and not simulated."""
    chances = binom.pmf(range(trials + 1), trials, share)
    bounds = [exact_bounds(hits, trials) for hits in range(trials + 1)]
    above = [chance for chance, (lower, _) in zip(chances, bounds, strict=True) if lower > share]
    below = [chance for chance, (_, upper) in zip(chances, bounds, strict=True) if upper < share]
    assert max(math.fsum(above), math.fsum(below)) <= 0.05


# Verdicts


@settings(max_examples=60, deadline=None)
@given(counts=MINUTES, rate=RATES)
def test_a_verdict_needs_what_the_exact_test_calls_significant(
    counts: list[tuple[int, int]], rate: float
) -> None:
    known = baseline(rate)
    limit = error_limit(known.error_rate or 0, POLICY)
    requests, errors = sum(n for n, _ in counts), sum(e for _, e in counts)
    fails = binomtest(errors, requests, limit, alternative="greater").pvalue
    holds = binomtest(errors, requests, limit, alternative="less").pvalue
    assume(min(abs(fails - 0.05), abs(holds - 0.05)) > CLOSE)
    judgement = judge(known, minutes(counts))
    assert (judgement.verdict is RecoveryVerdict.NOT_RECOVERED) == (fails < 0.05)
    if judgement.verdict is RecoveryVerdict.RECOVERED:
        assert holds < 0.05


@settings(max_examples=60, deadline=None)
@given(counts=MINUTES, rate=RATES, looks=st.integers(1, 60))
def test_a_relapse_is_significant_after_as_many_looks(
    counts: list[tuple[int, int]], rate: float, looks: int
) -> None:
    known = baseline(rate)
    limit = error_limit(known.error_rate or 0, POLICY)
    requests, errors = sum(n for n, _ in counts), sum(e for _, e in counts)
    fails = binomtest(errors, requests, limit, alternative="greater").pvalue
    assume(abs(fails - 0.05 / looks) > CLOSE)
    still = counts[-1][1] / counts[-1][0] > limit
    found = relapsed(known, minutes(counts), POLICY, looks=looks)
    assert (found is not None) == (still and fails < 0.05 / looks)


@pytest.mark.parametrize("rate", [0.0, 0.001, 0.005, 0.01])
@pytest.mark.parametrize("per_minute", [20, 40, 60, 90, 120, 600])
def test_traffic_is_thin_where_not_one_error_would_prove_nothing(
    per_minute: int, rate: float
) -> None:
    known = baseline(rate, per_minute)
    limit = error_limit(known.error_rate or 0, POLICY)
    proves = binomtest(0, per_minute * 10, limit, alternative="less").pvalue <= 0.05
    enough = known.requests >= POLICY.minimum_baseline_requests
    assert thin_baseline(known, 600) == (not enough or not proves)


# Quantiles


@settings(max_examples=60, deadline=None)
@given(
    bounds=st.lists(st.integers(1, 10_000), min_size=1, max_size=10, unique=True).map(sorted),
    data=st.data(),
    share=st.floats(0.01, 0.99),
)
def test_a_quantile_is_that_of_the_histogram_as_a_distribution(
    bounds: list[int], data: st.DataObject, share: float
) -> None:
    """Wherever it lies below the highest finite bound; SciPy spreads a bucket evenly too."""
    counts = data.draw(
        st.lists(st.integers(1, 500), min_size=len(bounds), max_size=len(bounds)), label="counts"
    )
    upto = [sum(counts[: place + 1]) for place in range(len(counts))]
    exported = {str(bound): float(count) for bound, count in zip(bounds, upto, strict=True)}
    edges = [0, *bounds]
    widths = [high - low for low, high in pairwise(edges)]
    oracle = rv_histogram(
        ([n / width for n, width in zip(counts, widths, strict=True)], edges), density=True
    )
    found = quantile(share, {**exported, "+Inf": float(upto[-1])})
    assert found == pytest.approx(oracle.ppf(share), rel=CLOSE)
