"""What replicas did between two readings of their cumulative counters.

- A stretch longer than ``longest`` (readings are missing) tells nothing.
- An instance that was born since its last reading counts from zero, from its birth on.
- A counter that fell although its instance was not born again tells nothing until the next
  reading: clocks of two recorders may differ, and then the whole past would be counted again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol


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
