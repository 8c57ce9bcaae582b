"""From readings of cumulative counters to counts over time.

A counter tells how much happened between two readings, not when in between. What happened is
spread evenly over the stretch between the readings, and every choice is made so that doubt shows
as missing requests, which prove nothing, and never as requests that nobody made:

- A stretch longer than ``longest`` (readings are missing) counts nothing.
- A stretch that begins before the span counts nothing: errors from before a switch of traffic
  would otherwise leak into the evidence after it.
- An instance that was born since its last reading counts from zero, from its birth on.
- A counter that fell although its instance was not born again counts nothing until the next
  reading: clocks of two recorders may differ, and then the whole past would be counted again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from pydantic import Field

from bot.domain.recovery import Bucket
from bot.domain.values import Value


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


class Counts(Value):
    """What happened over a span of time."""

    buckets: tuple[Bucket, ...]
    latency_ms: float | None = None
    """Mean duration of a request; None when no duration was measured."""
    requests_by_release: dict[str, int] = Field(default_factory=dict)


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
        )
    increment = Increment(
        start=earlier.at,
        end=later.at,
        release=later.release,
        requests=later.requests - earlier.requests,
        errors=later.errors - earlier.errors,
        duration_sum=later.duration_sum - earlier.duration_sum,
        duration_count=later.duration_count - earlier.duration_count,
    )
    fell = min(
        increment.requests, increment.errors, increment.duration_sum, increment.duration_count
    )
    return None if fell < 0 else increment


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
    good, bad = [0.0] * number, [0.0] * number
    by_release: dict[str, float] = defaultdict(float)
    duration_sum = duration_count = 0.0
    for increment in increments(readings, longest):
        if increment.start < start:
            continue
        for index, share in _shares(increment, start, end, width):
            good[index] += max(0.0, increment.requests - increment.errors) * share
            bad[index] += increment.errors * share
            by_release[increment.release] += increment.requests * share
            duration_sum += increment.duration_sum * share
            duration_count += increment.duration_count * share
    whole_good, whole_bad = _whole(good), _whole(bad)
    buckets = tuple(
        Bucket(start=start + index * width, seconds=seconds, requests=fine + failed, errors=failed)
        for index, (fine, failed) in enumerate(zip(whole_good, whole_bad, strict=True))
    )
    return Counts(
        buckets=buckets,
        latency_ms=duration_sum / duration_count * 1000 if duration_count > 0 else None,
        requests_by_release={r: n for r, n in ((r, round(n)) for r, n in by_release.items()) if n},
    )


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
