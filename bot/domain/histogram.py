"""Quantiles out of the buckets of a Prometheus histogram."""

from __future__ import annotations

import math
from collections.abc import Mapping


def quantile(share: float, buckets: Mapping[str, float]) -> float | None:
    """The value that this share of the observations do not exceed; None without observations.

    ``buckets`` maps each upper bound, as exported (``le``), to the number of observations up to
    it. Within a bucket the observations are taken to lie evenly, and above the highest finite
    bound nothing is known but that bound: both as PromQL's ``histogram_quantile`` does it, so
    that the figures agree with the team's dashboards.
    """
    bounds = sorted((float(bound), count) for bound, count in buckets.items())
    if not bounds or not math.isinf(bounds[-1][0]) or len(bounds) < 2:
        return None
    total = bounds[-1][1]
    if total <= 0:
        return None
    rank = share * total
    below, before = 0.0, 0.0
    for bound, count in bounds[:-1]:
        if count >= rank:
            start = below if before or bound > 0 else bound
            inside = count - before
            return start + (bound - start) * (rank - before) / inside if inside > 0 else bound
        below, before = bound, count
    return bounds[-2][0]
