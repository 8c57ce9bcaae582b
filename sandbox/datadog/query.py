"""The part of Datadog's query language that one metric needs.

``sum:http.requests{service:checkout,env:prod} by {version}.as_count().rollup(sum, 60)``
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sandbox.datadog.points import Point, Points

_QUERY = re.compile(
    r"(?P<aggregator>avg|max|min|sum|p\d\d):(?P<metric>[a-zA-Z][\w.]*)\{(?P<scope>[^{}]+)\}"
    r"( by \{(?P<group>[^{}]+)\})?(?P<functions>(\.\w+\([^()]*\))*)"
)
_ROLLUP = re.compile(r"\.rollup\((?P<method>avg|sum|min|max|count),\s*(?P<seconds>\d+)\)")
USUAL_INTERVAL = 20
"""Seconds, for a span of an hour or less."""


class BadQueryError(ValueError):
    """What Datadog says about a query that it cannot read."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line of the answer."""

    tags: tuple[str, ...]
    interval: int
    points: list[tuple[int, float]]


def answer(text: str, points: Points, *, start: int, end: int) -> list[Series]:
    """Evaluate; raises BadQueryError."""
    parsed = _QUERY.fullmatch(text.strip())
    if parsed is None:
        raise BadQueryError(f"Rule 'timeseries_query' didn't match at '{text[:40]}'.")
    rollup = _ROLLUP.search(parsed["functions"])
    method = rollup["method"] if rollup else parsed["aggregator"]
    if ".as_count()" in parsed["functions"]:
        method = "sum"
    interval = int(rollup["seconds"]) if rollup else USUAL_INTERVAL
    keys = [key.strip() for key in (parsed["group"] or "").split(",") if key.strip()]
    groups: dict[tuple[str, ...], list[Point]] = defaultdict(list)
    for point in points.by_metric.get(parsed["metric"], ()):
        if start <= point.at <= end and _within(point, parsed["scope"]):
            groups[tuple(point.tag(key) for key in keys)].append(point)
    combine = _combine(parsed["aggregator"], method)
    return [
        Series(tags=tags, interval=interval, points=_rolled(group, interval, combine))
        for tags, group in sorted(groups.items())
    ]


def _within(point: Point, scope: str) -> bool:
    terms = [term.strip() for term in scope.split(",")]
    return all(term == "*" or _holds(point, term) for term in terms)


def _holds(point: Point, term: str) -> bool:
    if term.startswith("!"):
        return term[1:] not in point.tags
    pattern = re.escape(term).replace(r"\*", ".*")
    return any(re.fullmatch(pattern, tag) for tag in point.tags)


def _rolled(
    points: Sequence[Point], interval: int, combine: Callable[[Sequence[float]], float]
) -> list[tuple[int, float]]:
    """Intervals begin at multiples of their length; one without points is left out."""
    buckets: dict[int, list[float]] = defaultdict(list)
    for point in points:
        buckets[point.at // interval * interval].append(point.value)
    return [(at, combine(values)) for at, values in sorted(buckets.items())]


def _combine(aggregator: str, method: str) -> Callable[[Sequence[float]], float]:
    if aggregator.startswith("p"):
        share = int(aggregator[1:]) / 100
        return lambda values: sorted(values)[min(len(values) - 1, int(share * len(values)))]
    functions: dict[str, Callable[[Sequence[float]], float]] = {
        "sum": sum,
        "max": max,
        "min": min,
        "count": len,
    }
    return functions.get(method, lambda values: sum(values) / len(values))
