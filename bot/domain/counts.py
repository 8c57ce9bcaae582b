"""What recovery is judged by: counts over time, what was normal, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum

from pydantic import Field, model_validator

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
