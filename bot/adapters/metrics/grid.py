"""Buckets over a span, and what a source that is asked over the network tells of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain.series import buckets_of
from bot.ports.metrics import Series

MINUTE = 60
Counts = Sequence[float | None]
"""One count for each part of a span; None where nothing is known."""

NAMES = {
    "latency_ms": "The response time",
    "p95_ms": "The 95 % response time",
    "p99_ms": "The 99 % response time",
    "saturation": "Saturation",
    "requests_by_release": "Requests by release",
    "business": "The business metric",
}
"""Members of ``Series`` beside the counts, as people call them."""
_FULLER_THAN_FULL = 2.0
"""A share above this is no share but a percentage, or a number of something."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Consecutive parts of a span; a part that is not over by the end is left out."""

    start: datetime
    seconds: float
    number: int

    @classmethod
    def exact(cls, start: datetime, end: datetime, seconds: float) -> Grid:
        """From the start on, for a source that can be asked about any moment."""
        number = max(0, (end - start) // timedelta(seconds=seconds))
        return cls(start=start, seconds=seconds, number=number)

    @classmethod
    def minutes(cls, start: datetime, end: datetime) -> Grid:
        """Whole minutes of the clock, for a source that keeps no others.

        The minute in which the span begins is left out: what happened before a switch of traffic
        would leak into the evidence after it.
        """
        first = math.ceil(start.timestamp() / MINUTE) * MINUTE
        return cls.exact(datetime.fromtimestamp(first, UTC), end, MINUTE)

    @property
    def end(self) -> datetime:
        """End of the last part."""
        return self.start + timedelta(seconds=self.seconds * self.number)

    def filled(self, points: Mapping[float, float], *, ends: bool = False) -> list[float | None]:
        """Points by their time in seconds, each at the start (or the end) of its part."""
        found: list[float | None] = [None] * self.number
        for at, value in points.items():
            index = round((at - self.start.timestamp()) / self.seconds) - (1 if ends else 0)
            if 0 <= index < self.number and math.isfinite(value):
                found[index] = value
        return found

    def series(
        self,
        *,
        seconds: float,
        requests: Counts,
        errors: Counts,
        business: Counts = (),
        problems: Sequence[str] = (),
        figures: Mapping[str, Any],
    ) -> Series:
        """What was asked for, in buckets of at least ``seconds``.

        ``figures`` are the members of ``Series`` that hold for the whole span.
        """
        together = max(1, math.ceil(round(seconds / self.seconds, 6)))
        number = self.number // together
        told, more = checked(figures)
        return Series(
            buckets=buckets_of(
                _merged(requests, together, number),
                _merged(errors, together, number),
                start=self.start,
                seconds=self.seconds * together,
            ),
            business_per_minute=self._per_minute(business),
            problems=(*problems, *more),
            **told,
        )

    def _per_minute(self, counts: Counts) -> float | None:
        known = [count for count in counts if count is not None]
        return sum(known) / (len(known) * self.seconds) * MINUTE if known else None


def _merged(counts: Counts, together: int, number: int) -> list[float | None]:
    groups = (counts[index * together : (index + 1) * together] for index in range(number))
    return [added(group) for group in groups]


def added(counts: Sequence[float | None]) -> float | None:
    """The sum of what is known; None where nothing is."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def added_up(parts: Sequence[Counts], number: int) -> list[float | None]:
    """Several metrics that make one count together, part by part."""
    return [added([part[index] for part in parts]) for index in range(number)]


def checked(figures: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Figures without those that cannot be what they are called, and what is wrong with these."""
    told, problems = dict(figures), []
    full = told.get("saturation")
    if full is not None and not 0 <= full <= _FULLER_THAN_FULL:
        told["saturation"] = None
        problems.append(f"Saturation: {full:g} is no share of a limit, where 1 is full.")
    for name in ("latency_ms", "p95_ms", "p99_ms"):
        value = told.get(name)
        if value is not None and (value < 0 or not math.isfinite(value)):
            told[name] = None
    return told, problems
