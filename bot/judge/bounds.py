"""Exact confidence bounds of a share, from counts.

Source: C. J. Clopper and E. S. Pearson, Biometrika 26 (1934), 404-413. The bounds are quantiles of
beta distributions; the incomplete beta function is evaluated by its continued fraction
(DLMF 8.17.22) with Lentz's method.
"""

from __future__ import annotations

import math

_TINY = 1e-300
_PRECISION = 1e-12
_BOUND_PRECISION = 1e-9
"""Of a bound, relative: far finer than anybody reads."""


def exact_bounds(hits: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """One-sided lower and upper bound of the share of hits; (0, 1) without trials.

    Each bound is wrong with a probability of at most ``1 - confidence``, whatever the counts.
    """
    if not 0 <= hits <= trials:
        raise ValueError(f"{hits} hits of {trials} trials")
    if trials == 0:
        return 0.0, 1.0
    risk = 1 - confidence
    # P(at least `hits` | share) = I_share(hits, misses + 1)
    lower = _beta_quantile(risk, hits, trials - hits + 1) if hits else 0.0
    upper = _beta_quantile(confidence, hits + 1, trials - hits) if hits < trials else 1.0
    return lower, upper


def _beta_quantile(probability: float, a: int, b: int) -> float:
    """Where the distribution function reaches the probability, by bisection."""
    low, high = 0.0, 1.0
    while high - low > _BOUND_PRECISION * high:
        middle = (low + high) / 2
        if _beta_cdf(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return high


def _beta_cdf(x: float, a: int, b: int) -> float:
    """The regularised incomplete beta function I_x(a, b) for 0 < x < 1."""
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    # The fraction converges fast only on its own side of the mean.
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: int, b: int) -> float:
    numerator, denominator = 1.0, _nonzero(1 - (a + b) * x / (a + 1))
    denominator = 1 / denominator
    result, m = denominator, 0
    while True:
        m += 1
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            denominator = 1 / _nonzero(1 + term * denominator)
            numerator = _nonzero(1 + term / numerator)
            result *= denominator * numerator
        if abs(denominator * numerator - 1) < _PRECISION:
            return result


def _nonzero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
