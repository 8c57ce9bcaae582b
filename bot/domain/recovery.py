"""The judge: is the service recovered, and can that be proven?

The burden of proof is on recovery. One-sided 95 % bounds are taken on pooled counts of errors and
requests since the traffic was switched and drained; averaged ratios are never used, because a
bucket with three requests would weigh as much as one with three thousand.

The bounds are the exact ones. Score bounds (Wilson 1927) miss their level where errors are few:
448 requests without an error would call a service recovered that fails at a limit of 0.6 % in 6.7
of 100 cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum

from pydantic import Field, model_validator

from bot.domain.binomial import exact_bounds
from bot.domain.values import Fraction, Instant, Value


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
    highest_limit: Fraction = 0.05
    """More than this calls for an immediate rollback: whatever the baseline, it is no recovery."""
    bucket_seconds: float = Field(default=60.0, gt=0)
    minimum_buckets: int = Field(default=5, ge=1)
    last_buckets: int = Field(default=3, ge=1)
    """So many buckets at the end must each be at or under the limit."""
    minimum_traffic: Fraction = 0.5
    """Less than this share of the baseline's traffic proves nothing."""
    minimum_baseline_requests: int = Field(default=100, ge=1)
    """A baseline of fewer requests does not tell what is normal: one error would be too much."""

    @model_validator(mode="after")
    def _margin_within_the_highest_limit(self) -> JudgePolicy:
        if self.margin > self.highest_limit:
            raise ValueError(
                f"margin {self.margin:g} is more than highest_limit {self.highest_limit:g}"
            )
        return self


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


def error_limit(baseline_rate: float, policy: JudgePolicy) -> float:
    """The highest error rate that still counts as recovered."""
    return min(policy.highest_limit, baseline_rate + max(policy.margin, baseline_rate))


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
    lower, upper = exact_bounds(errors, requests)
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
    if baseline.requests < policy.minimum_baseline_requests:
        doubts.append(
            f"{baseline.requests} requests before the release are too few to tell what is normal"
        )
    measured = [bucket for bucket in buckets if bucket.requests]
    if len(measured) < policy.minimum_buckets:
        doubts.append(
            f"only {len(measured)} of {policy.minimum_buckets} intervals were measured completely"
        )
    thin = _thin_traffic(baseline, buckets, policy)
    if thin:
        doubts.append(thin)
    elif upper > limit:
        doubts.append(f"the error rate may still be {upper:.2%}, above the limit of {limit:.2%}")
    for bucket in buckets[-policy.last_buckets :]:
        rate = bucket.error_rate
        if rate is None:
            doubts.append(f"nothing was measured in the interval from {bucket.start:%H:%M:%S}")
        elif rate > limit:
            doubts.append(f"the interval from {bucket.start:%H:%M:%S} had {rate:.2%} errors")
    return doubts


def _thin_traffic(baseline: Baseline, buckets: Sequence[Bucket], policy: JudgePolicy) -> str | None:
    """What is missing where there were too few requests, overall or lately.

    Lately matters by itself: replicas that die count no more errors, only no more requests.
    """
    for span, where in ((buckets, ""), (buckets[-policy.last_buckets :], " at the end")):
        requests = sum(bucket.requests for bucket in span)
        normal = baseline.requests_per_second * sum(bucket.seconds for bucket in span)
        if requests == 0 or requests < normal * policy.minimum_traffic:
            return (
                f"{requests} requests{where} are too few: normal traffic would bring about "
                f"{normal:.0f}"
            )
    return None


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
