"""From readings of cumulative counters to counts over time.

A counter tells how much happened between two readings, not when in between. What happened is
spread evenly over the stretch between the readings, and every choice is made so that doubt shows
as missing requests, which prove nothing, and never as requests that nobody made: what
``bot.judge.series`` cannot tell counts nothing, and neither does a stretch that begins before
the span. Errors from before a switch of traffic would otherwise leak into the evidence after it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from pydantic import Field

from bot.core.values import Instant, Value
from bot.judge.counts import Bucket

# What replicas did between two readings of their cumulative counters.
#
# - A stretch longer than ``longest`` (readings are missing) tells nothing.
# - An instance that was born since its last reading counts from zero, from its birth on.
# - A counter that fell although its instance was not born again tells nothing until the next
#   reading: clocks of two recorders may differ, and then the whole past would be counted again.


class Reading(Protocol):
    """One reading of one instance's cumulative counters."""

    @property
    def at(self) -> datetime:
        """When it was read."""

    @property
    def instance(self) -> str:
        """Which replica was read."""

    @property
    def release(self) -> str:
        """What the replica runs."""

    @property
    def born_at(self) -> datetime:
        """When the counters were zero."""

    @property
    def requests(self) -> float:
        """Requests since birth."""

    @property
    def errors(self) -> float:
        """Failed requests since birth."""

    @property
    def duration_sum(self) -> float:
        """Seconds spent on the requests of ``duration_count``."""

    @property
    def duration_count(self) -> float:
        """Requests whose duration was measured."""

    @property
    def duration_buckets(self) -> Mapping[str, float]:
        """Upper bound in seconds, as exported → requests that took no longer."""

    @property
    def business(self) -> float | None:
        """What the service is there for, since birth; None when it is not exported."""

    @property
    def saturation(self) -> float | None:
        """Used share of the scarcest resource at the moment; None when it is not exported."""


@dataclass(frozen=True, kw_only=True)
class Increment:
    """What one instance did between two moments."""

    start: datetime
    end: datetime
    release: str
    requests: float
    errors: float
    duration_sum: float
    duration_count: float
    duration_buckets: Mapping[str, float] = field(default_factory=dict)
    business: float | None = None


def increments(readings: Iterable[Reading], longest: timedelta) -> Iterator[Increment]:
    """What happened between consecutive readings of each instance, where that can be told."""
    by_instance: dict[str, list[Reading]] = defaultdict(list)
    for reading in readings:
        by_instance[reading.instance].append(reading)
    for series in by_instance.values():
        series.sort(key=lambda reading: reading.at)
        for earlier, later in zip((None, *series), series, strict=False):
            increment = _increment(earlier, later)
            if increment is not None and increment.end - increment.start <= longest:
                yield increment


def _increment(earlier: Reading | None, later: Reading) -> Increment | None:
    """The difference between two readings; None when it means nothing."""
    if earlier is None or later.born_at > earlier.at:
        return Increment(
            start=min(later.born_at, later.at),
            end=later.at,
            release=later.release,
            requests=later.requests,
            errors=later.errors,
            duration_sum=later.duration_sum,
            duration_count=later.duration_count,
            duration_buckets=later.duration_buckets,
            business=later.business,
        )
    increment = Increment(
        start=earlier.at,
        end=later.at,
        release=later.release,
        requests=later.requests - earlier.requests,
        errors=later.errors - earlier.errors,
        duration_sum=later.duration_sum - earlier.duration_sum,
        duration_count=later.duration_count - earlier.duration_count,
        duration_buckets=_grown(earlier, later),
        business=_difference(earlier.business, later.business),
    )
    fell = min(
        increment.requests, increment.errors, increment.duration_sum, increment.duration_count
    )
    return None if fell < 0 else increment


def _grown(earlier: Reading, later: Reading) -> Mapping[str, float]:
    """What every bucket grew by; nothing where the two do not have the same buckets.

    A labelled histogram appears with its first observation: before it, every bucket was empty.
    """
    before, after = earlier.duration_buckets, later.duration_buckets
    if before.keys() != after.keys() and (before or earlier.duration_count):
        return {}
    grown = {bound: count - before.get(bound, 0.0) for bound, count in after.items()}
    return grown if min(grown.values(), default=0.0) >= 0 else {}


def _difference(earlier: float | None, later: float | None) -> float | None:
    """What a counter grew by; None where it is unknown, or fell."""
    if earlier is None or later is None or later < earlier:
        return None
    return later - earlier


# Quantiles out of the buckets of a Prometheus histogram.


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


class Counts(Value):
    """What happened over a span of time, all releases together and each."""

    buckets: tuple[Bucket, ...]
    latency_ms: float | None = None
    """Mean duration of a request over the whole span; None when no duration was measured."""
    p95_ms: float | None = None
    """95 % of the requests took at most so long; None without a histogram."""
    p99_ms: float | None = None
    """99 % of the requests took at most so long; None without a histogram."""
    saturation: float | None = None
    """How full the scarcest resource is, as a share of its limit (1 is full), of the fullest
    instance by its last reading within the span."""
    business_per_minute: float | None = None
    """What the service is there for (orders, sign-ups …) per minute of the time measured."""
    requests_by_release: dict[str, int] = Field(default_factory=dict)
    unread: tuple[Instant, ...] = ()
    """Starts of the buckets of which nothing was read: unknown, not quiet."""


def count(
    readings: Iterable[Reading],
    *,
    start: datetime,
    end: datetime,
    seconds: float,
    longest: timedelta,
) -> Counts:
    """Consecutive buckets of ``seconds`` from start on; the last one may reach beyond the end.

    ``longest`` is the longest stretch between two readings that is still believed.
    """
    width = timedelta(seconds=seconds)
    number = max(0, -((start - end) // width))
    good, bad, read = [0.0] * number, [0.0] * number, [False] * number
    totals = _Totals()
    readings = tuple(readings)
    for increment in increments(readings, longest):
        if increment.start < start:
            continue
        inside = 0.0
        for index, share in _shares(increment, start, end, width):
            good[index] += max(0.0, increment.requests - increment.errors) * share
            bad[index] += increment.errors * share
            read[index] = True
            inside += share
        totals.add(increment, inside, end)
    buckets = buckets_of(
        [fine + failed for fine, failed in zip(good, bad, strict=True)],
        bad,
        start=start,
        seconds=seconds,
    )
    return Counts(
        buckets=buckets,
        saturation=_fullest(readings, start, end),
        unread=tuple(start + index * width for index in range(number) if not read[index]),
        **totals.figures(),
    )


def buckets_of(
    requests: Sequence[float | None],
    errors: Sequence[float | None],
    *,
    start: datetime,
    seconds: float,
) -> tuple[Bucket, ...]:
    """Consecutive buckets of whole numbers; nothing is lost by rounding.

    None is unknown and counts nothing. Every error is a request: a source that tells of more
    errors than requests (a load balancer that refuses requests before it counts them) has seen
    at least so many.
    """
    failed = [part or 0.0 for part in errors]
    fine = [max(0.0, (part or 0.0) - bad) for part, bad in zip(requests, failed, strict=True)]
    return tuple(
        Bucket(
            start=start + index * timedelta(seconds=seconds),
            seconds=seconds,
            requests=good + bad,
            errors=bad,
        )
        for index, (good, bad) in enumerate(zip(_whole(fine), _whole(failed), strict=True))
    )


class _Totals:
    """Everything that is added up over the whole span."""

    def __init__(self) -> None:
        self._by_release: dict[str, float] = defaultdict(float)
        self._duration_sum = self._duration_count = 0.0
        self._buckets: dict[str, float] = defaultdict(float)
        self._business: float | None = None
        self._measured: list[tuple[datetime, datetime]] = []

    def add(self, increment: Increment, share: float, end: datetime) -> None:
        """Take the share of an increment that lies within the span."""
        self._by_release[increment.release] += increment.requests * share
        self._duration_sum += increment.duration_sum * share
        self._duration_count += increment.duration_count * share
        for bound, count in increment.duration_buckets.items():
            self._buckets[bound] += count * share
        if increment.business is not None:
            self._business = (self._business or 0.0) + increment.business * share
            self._measured.append((increment.start, min(increment.end, end)))

    def figures(self) -> dict[str, Any]:
        """The fields of ``Counts`` that they make."""
        count = self._duration_count
        p95, p99 = (quantile(share, self._buckets) for share in (0.95, 0.99))
        releases = ((release, round(number)) for release, number in self._by_release.items())
        return {
            "latency_ms": self._duration_sum / count * 1000 if count > 0 else None,
            "p95_ms": None if p95 is None else p95 * 1000,
            "p99_ms": None if p99 is None else p99 * 1000,
            "business_per_minute": self._per_minute(),
            "requests_by_release": {release: number for release, number in releases if number},
        }

    def _per_minute(self) -> float | None:
        seconds = _covered_seconds(self._measured)
        if self._business is None or seconds <= 0:
            return None
        return self._business / seconds * 60


def _covered_seconds(spans: Iterable[tuple[datetime, datetime]]) -> float:
    """How long at least one of the spans lasted."""
    total, reached = 0.0, None
    for start, end in sorted(spans):
        begin = start if reached is None else max(start, reached)
        if end > begin:
            total += (end - begin).total_seconds()
            reached = end
    return total


def _fullest(readings: Iterable[Reading], start: datetime, end: datetime) -> float | None:
    """The fullest instance, each by its last reading within the span."""
    latest = {
        reading.instance: reading.saturation
        for reading in sorted(readings, key=lambda reading: reading.at)
        if start <= reading.at <= end
    }
    return max((share for share in latest.values() if share is not None), default=None)


def _shares(
    increment: Increment, start: datetime, end: datetime, width: timedelta
) -> Iterator[tuple[int, float]]:
    """Which part of an increment belongs to which bucket, by overlap in time."""
    length = increment.end - increment.start
    if not length:
        if increment.end < end:
            yield (increment.end - start) // width, 1.0
        return
    last = min(increment.end, end)
    edge = increment.start
    while edge < last:
        index = (edge - start) // width
        following = min(start + (index + 1) * width, last)
        yield index, (following - edge) / length
        edge = following


def _whole(parts: Sequence[float]) -> list[int]:
    """Round to whole numbers without losing what the fractions add up to; zero stays zero."""
    whole, total, given = [], 0.0, 0
    for part in parts:
        total += part
        whole.append(round(total) - given)
        given = round(total)
    return whole
