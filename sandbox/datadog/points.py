"""What an organisation has submitted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Point:
    """One value of a metric, at a second, with its tags."""

    at: int
    value: float
    tags: frozenset[str]

    def tag(self, key: str) -> str:
        """The value of a tag; "N/A" where the point does not have it, as Datadog groups those."""
        return next((tag for tag in self.tags if tag.startswith(f"{key}:")), f"{key}:N/A")


@dataclass
class Points:
    """All points, by metric."""

    by_metric: dict[str, list[Point]] = field(default_factory=dict)

    def add(self, metric: str, tags: Iterable[str], points: Sequence[tuple[int, float]]) -> None:
        """Keep what was submitted."""
        held = frozenset(tags)
        self.by_metric.setdefault(metric, []).extend(
            Point(at=at, value=value, tags=held) for at, value in points
        )

    def tags(self, metric: str) -> list[str] | None:
        """Every tag that a metric has been submitted with; None for a metric nobody knows."""
        if metric not in self.by_metric:
            return None
        return sorted({tag for point in self.by_metric[metric] for tag in point.tags})
