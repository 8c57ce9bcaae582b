"""The judge: is the service recovered, and can that be proven?

The burden of proof is on recovery. One-sided 95 % Wilson score bounds are taken on pooled counts
of errors and requests since the traffic was switched and drained; averaged ratios are never used,
because a bucket with three requests would weigh as much as one with three thousand.
Source of the score interval: E. B. Wilson, JASA 22 (1927), 209-212.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum

from pydantic import Field, model_validator

from bot.domain.values import Fraction, Instant, Value

Z_95_ONE_SIDED = 1.6448536269514722
"""The 95 % quantile of the standard normal distribution."""


class RecoveryVerdict(StrEnum):
    """What the evidence supports."""

    RECOVERED = "RECOVERED"
    NOT_RECOVERED = "NOT_RECOVERED"
    INCONCLUSIVE = "INCONCLUSIVE"


class Bucket(Value):
    """Counts over one stretch of time."""

    start: Instant
    seconds: float = Field(gt=0)
    requests: int = Field(ge=0)
    errors: int = Field(ge=0)

    @model_validator(mode="after")
    def _no_more_errors_than_requests(self) -> Bucket:
        if self.errors > self.requests:
            raise ValueError("more errors than requests")
        return self

    @property
    def error_rate(self) -> float | None:
        """Errors per request; None without requests."""
        return self.errors / self.requests if self.requests else None


class Baseline(Value):
    """What was normal before the bad release, as counts."""

    start: Instant
    end: Instant
    requests: int = Field(ge=0)
    errors: int = Field(ge=0)
    latency_ms: float | None = None

    @property
    def error_rate(self) -> float | None:
        """Errors per request; None without requests."""
        return self.errors / self.requests if self.requests else None

    @property
    def requests_per_second(self) -> float:
        """Normal traffic."""
        seconds = (self.end - self.start).total_seconds()
        return self.requests / seconds if seconds > 0 else 0.0


class JudgePolicy(Value):
    """The judge's parameters; the defaults are those of the design."""

    margin: Fraction = 0.005
    """Least tolerance over the baseline; the limit is baseline + max(margin, baseline)."""
    bucket_seconds: float = Field(default=60.0, gt=0)
    minimum_buckets: int = Field(default=5, ge=1)
    last_buckets: int = Field(default=3, ge=1)
    """So many buckets at the end must each be at or under the limit."""
    minimum_traffic: Fraction = 0.5
    """Less than this share of the baseline's traffic proves nothing."""


class Judgement(Value):
    """The verdict with the figures that a reader needs to check it."""

    verdict: RecoveryVerdict
    reasons: tuple[str, ...]
    requests: int
    errors: int
    limit: float | None = None
    lower: float | None = None
    upper: float | None = None

    @property
    def error_rate(self) -> float | None:
        """Pooled errors per request; None without requests."""
        return self.errors / self.requests if self.requests else None


def wilson_bounds(errors: int, requests: int, z: float = Z_95_ONE_SIDED) -> tuple[float, float]:
    """Lower and upper score bound of the error rate; (0, 1) without requests."""
    if requests == 0:
        return 0.0, 1.0
    share = errors / requests
    z2 = z * z
    denominator = 1 + z2 / requests
    centre = (share + z2 / (2 * requests)) / denominator
    half = z * math.sqrt(share * (1 - share) / requests + z2 / (4 * requests**2)) / denominator
    return max(0.0, centre - half), min(1.0, centre + half)


def error_limit(baseline_rate: float, policy: JudgePolicy) -> float:
    """The highest error rate that still counts as recovered."""
    return min(1.0, baseline_rate + max(policy.margin, baseline_rate))


def judge(
    baseline: Baseline | None, buckets: Sequence[Bucket], policy: JudgePolicy | None = None
) -> Judgement:
    """Weigh consecutive buckets, oldest first, against the baseline.

    NOT_RECOVERED needs proof too: the lower bound must lie above the limit. Everything that is
    neither is INCONCLUSIVE, and so are a missing baseline, missing data and thin traffic.
    """
    policy = policy or JudgePolicy()
    requests = sum(bucket.requests for bucket in buckets)
    errors = sum(bucket.errors for bucket in buckets)
    rate = baseline.error_rate if baseline else None
    if baseline is None or rate is None:
        reason = "there is no baseline from before the release to compare with"
        return _inconclusive([reason], requests=requests, errors=errors)
    limit = error_limit(rate, policy)
    lower, upper = wilson_bounds(errors, requests)
    figures = {"limit": limit, "lower": lower, "upper": upper}
    if requests and lower > limit:
        reason = f"the error rate is at least {lower:.2%}, above the limit of {limit:.2%}"
        return Judgement(
            verdict=RecoveryVerdict.NOT_RECOVERED,
            reasons=(reason,),
            requests=requests,
            errors=errors,
            **figures,
        )
    doubts = _doubts(baseline, buckets, policy, limit, upper)
    if doubts:
        return _inconclusive(doubts, requests=requests, errors=errors, **figures)
    reason = f"the error rate is at most {upper:.2%}, within the limit of {limit:.2%}"
    return Judgement(
        verdict=RecoveryVerdict.RECOVERED,
        reasons=(reason,),
        requests=requests,
        errors=errors,
        **figures,
    )


def _doubts(
    baseline: Baseline,
    buckets: Sequence[Bucket],
    policy: JudgePolicy,
    limit: float,
    upper: float,
) -> list[str]:
    """Why the evidence does not prove recovery; empty when it does."""
    doubts = []
    requests = sum(bucket.requests for bucket in buckets)
    seconds = sum(bucket.seconds for bucket in buckets)
    if len(buckets) < policy.minimum_buckets:
        doubts.append(f"only {len(buckets)} of {policy.minimum_buckets} intervals are complete")
    needed = baseline.requests_per_second * policy.minimum_traffic * seconds
    if requests == 0 or requests < needed:
        doubts.append(
            f"{requests} requests are too few: normal traffic would bring about "
            f"{baseline.requests_per_second * seconds:.0f}"
        )
    elif upper > limit:
        doubts.append(f"the error rate may still be {upper:.2%}, above the limit of {limit:.2%}")
    for bucket in buckets[-policy.last_buckets :]:
        rate = bucket.error_rate
        if rate is None:
            doubts.append(f"nothing was measured in the interval from {bucket.start:%H:%M:%S}")
        elif rate > limit:
            doubts.append(f"the interval from {bucket.start:%H:%M:%S} had {rate:.2%} errors")
    return doubts


def _inconclusive(
    reasons: Sequence[str],
    *,
    requests: int,
    errors: int,
    limit: float | None = None,
    lower: float | None = None,
    upper: float | None = None,
) -> Judgement:
    return Judgement(
        verdict=RecoveryVerdict.INCONCLUSIVE,
        reasons=tuple(reasons),
        requests=requests,
        errors=errors,
        limit=limit,
        lower=lower,
        upper=upper,
    )


def complete_buckets(buckets: Sequence[Bucket], now: Instant) -> tuple[Bucket, ...]:
    """Only the buckets that have ended: a running one would look like thin traffic."""
    return tuple(b for b in buckets if b.start + timedelta(seconds=b.seconds) <= now)
