"""What a benchmark is, what it finds, and how that is held against its budget."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal, Protocol

Unit = Literal["s", "MB", ""]
"""Seconds, megabytes of 10⁶ bytes, or a plain count."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """A limit: on ours as a multiple of the peer's (``ratio``), or on ours itself (``ours``)."""

    limit: float
    of: Literal["ratio", "ours"]


@dataclass(frozen=True, kw_only=True)
class Samples:
    """What was measured, one value a round; ours and the peer's of one round belong together."""

    ours: tuple[float, ...]
    peer: tuple[float, ...] = ()
    note: str = ""
    """What a reader has to know to understand these figures."""


class Benchmark(Protocol):
    """One line of the table."""

    name: str
    """How it is chosen on the command line."""
    what: str
    peer: str
    """What it is compared with; empty for a count."""
    unit: Unit
    budget: Budget
    rounds: int
    """As many as give a steady median."""

    async def measure(self, place: Path, rounds: int) -> Samples:
        """Measure in an empty folder. Raises CannotRunError when something needed is missing."""


class CannotRunError(Exception):
    """A benchmark could not be carried out; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The middle of several values, and how far they lie apart."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: tuple[float, ...]) -> Spread:
        """Raises ValueError without values."""
        if not values:
            raise ValueError("nothing was measured")
        return cls(median=median(values), lowest=min(values), highest=max(values))


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A benchmark's outcome."""

    benchmark: Benchmark
    samples: Samples

    @property
    def ours(self) -> Spread:
        """Of our values."""
        return Spread.of(self.samples.ours)

    @property
    def peer(self) -> Spread | None:
        """Of the peer's values; None for a count."""
        return Spread.of(self.samples.peer) if self.samples.peer else None

    @property
    def ratio(self) -> Spread | None:
        """Of the rounds' ratios: what disturbs a whole round disturbs both sides of it."""
        pairs = zip(self.samples.ours, self.samples.peer, strict=bool(self.samples.peer))
        ratios = tuple(ours / peer for ours, peer in pairs)
        return Spread.of(ratios) if ratios else None

    @property
    def judged(self) -> float:
        """The figure that the budget limits. Raises ValueError for a ratio without a peer."""
        if self.benchmark.budget.of == "ours":
            return self.ours.median
        if self.ratio is None:
            raise ValueError(f"{self.benchmark.name} has a budget for a ratio, but no peer")
        return self.ratio.median

    @property
    def within(self) -> bool:
        """Whether the budget is kept."""
        return self.judged <= self.benchmark.budget.limit
