"""Gaps in the evidence: time in which nothing was read, as opposed to nothing happening."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bot.domain.counts import Baseline, Bucket
from bot.domain.values import Instant

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
