"""What recovery is judged by: counts over time, what was normal, and the verdict."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from enum import StrEnum

from pydantic import Field, model_validator

from bot.core.values import Fraction, Instant, Value


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

    def holds(self, moment: Instant) -> bool:
        """Whether a moment lies within it."""
        return self.start <= moment < self.start + timedelta(seconds=self.seconds)


class Baseline(Value):
    """What was normal before the bad release, as counts."""

    start: Instant
    end: Instant
    requests: int = Field(ge=0)
    errors: int = Field(ge=0)
    latency_ms: float | None = None
    p95_ms: float | None = None
    business_per_minute: float | None = None

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
    """Length of an interval."""
    minimum_buckets: int = Field(default=5, ge=1)
    """So many complete intervals are needed."""
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
    """As the service counted them; probes may be among them."""
    limit: float | None = None
    lower: float | None = None
    upper: float | None = None
    probes: int = 0
    """Synthetic requests of the bot's own that have an outcome."""
    failed_probes: int = 0

    @property
    def error_rate(self) -> float | None:
        """Pooled errors per request; None without requests."""
        return self.errors / self.requests if self.requests else None


def error_limit(baseline_rate: float, policy: JudgePolicy) -> float:
    """The highest error rate that still counts as recovered."""
    return min(policy.highest_limit, baseline_rate + max(policy.margin, baseline_rate))


def complete_buckets(buckets: Sequence[Bucket], now: Instant) -> tuple[Bucket, ...]:
    """Only the buckets that have ended: a running one would look like thin traffic."""
    return tuple(b for b in buckets if b.start + timedelta(seconds=b.seconds) <= now)


# Gaps in the evidence: time in which nothing was read, as opposed to nothing happening.

_SURELY_SOME = 10.0
"""Where so many requests are normal, none at all is no accident of counting."""


def unread(
    buckets: Sequence[Bucket], told: Collection[Instant], baseline: Baseline | None
) -> tuple[Bucket, ...]:
    """Empty buckets of which nothing was read.

    ``told`` are the starts of those that the source itself calls unread. Of a source that cannot
    tell, an empty bucket before one with requests counts where normal traffic leaves no doubt;
    empty ones at the end may mean that traffic has stopped, which waiting does not mend.
    """
    last = max((i for i, bucket in enumerate(buckets) if bucket.requests), default=-1)
    per_second = baseline.requests_per_second if baseline else 0.0
    return tuple(
        bucket
        for index, bucket in enumerate(buckets)
        if not bucket.requests
        and (bucket.start in told or (index < last and per_second * bucket.seconds >= _SURELY_SOME))
    )


def judged(buckets: Sequence[Bucket], told: Collection[Instant]) -> tuple[Bucket, ...]:
    """The buckets to judge: without those that the source did not read.

    Time that nobody looked at is no thin traffic. The end is never left out: what is not read
    there may have changed since.
    """
    last = max((i for i, bucket in enumerate(buckets) if bucket.start not in told), default=-1)
    return tuple(
        bucket
        for index, bucket in enumerate(buckets)
        if index > last or bucket.requests or bucket.start not in told
    )


def missing_seconds(
    buckets: Sequence[Bucket], gaps: Sequence[Bucket], length_seconds: float
) -> float:
    """For how long to measure on, so that as much is read as was intended.

    At most once the whole length again, and nothing without a gap.
    """
    if not gaps:
        return 0.0
    read = sum(bucket.seconds for bucket in buckets) - sum(gap.seconds for gap in gaps)
    return min(length_seconds, max(0.0, length_seconds - read))
