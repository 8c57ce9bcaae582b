"""From readings of cumulative counters to counts over time.

A counter tells how much happened between two readings, not when in between. What happened is
spread evenly over the stretch between the readings, and every choice is made so that doubt shows
as missing requests, which prove nothing, and never as requests that nobody made: what
``bot.domain.readings`` cannot tell counts nothing, and neither does a stretch that begins before
the span. Errors from before a switch of traffic would otherwise leak into the evidence after it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from bot.domain.histogram import quantile
from bot.domain.readings import Increment, Reading, increments
from bot.domain.recovery import Bucket
from bot.domain.values import Instant, Value


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
