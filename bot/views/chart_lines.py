"""What is drawn into the chart of a report: the errors, the levels, the marks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from bot.domain.recovery import Bucket
from bot.domain.reporting.history import History, Mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# From the palette of Okabe and Ito, which stays apart in every kind of colour blindness.
ERRORS, LIMIT, BASELINE, UNKNOWN = "#0072B2", "#D55E00", "#009E73", "#B0B0B0"
INK, PAPER = "#222222", "#ffffff"
_HIGHEST_LABEL, _LABEL_HEIGHT, _LABEL_WIDTH = 0.97, 0.085, 0.26
"""Of the marks' labels, as shares of the plot."""


def end_of(bucket: Bucket) -> datetime:
    """When a bucket ends."""
    return bucket.start + timedelta(seconds=bucket.seconds)


def day(moment: datetime) -> float:
    """A moment as matplotlib counts: days since 1970 (``matplotlib.dates``)."""
    return moment.timestamp() / 86_400


def draw_errors(axes: Axes, buckets: Sequence[Bucket]) -> None:
    """A step for each bucket; where nothing was measured a hatched band, not a zero."""
    label: str | None = "Failed requests"
    unknown: str | None = "Nothing measured"
    for measured, group in itertools.groupby(buckets, key=lambda b: b.requests > 0):
        run = list(group)
        edges = [day(bucket.start) for bucket in run] + [day(end_of(run[-1]))]
        if measured:
            rates = [(bucket.error_rate or 0.0) * 100 for bucket in run]
            axes.stairs(rates, edges, color=ERRORS, linewidth=2.6, label=label, baseline=None)
            axes.stairs(rates, edges, color=ERRORS, alpha=0.15, fill=True)
            label = None
        else:
            axes.axvspan(
                edges[0],
                edges[-1],
                facecolor="none",
                edgecolor=UNKNOWN,
                hatch="///",
                linewidth=0,
                label=unknown,
            )
            unknown = None


def draw_levels(axes: Axes, history: History) -> None:
    """Across: what is normal, and what is too much."""
    if history.limit is not None:
        axes.axhline(
            history.limit * 100,
            color=LIMIT,
            linewidth=1.8,
            linestyle="--",
            label=f"Limit {history.limit:.2%}",
        )
    if history.baseline is not None:
        axes.axhline(
            history.baseline * 100,
            color=BASELINE,
            linewidth=1.8,
            linestyle=":",
            label=f"Baseline {history.baseline:.2%}",
        )


def scale(axes: Axes, history: History) -> None:
    """Zero at the bottom, and room above the highest value for the marks' labels."""
    rates = [bucket.error_rate or 0.0 for bucket in history.buckets]
    highest = max(*rates, history.limit or 0.0, history.baseline or 0.0, 0.005) * 100
    # A little below zero, so that a line without errors does not hide behind the axis.
    axes.set_ylim(-highest * 0.03, highest * 1.45)


def draw_marks(axes: Axes, marks: Sequence[Mark], start: datetime, end: datetime) -> None:
    """Vertical lines with their names, each name in the first row where it covers no other."""
    rows: list[list[float]] = []
    for mark in marks:
        place = (mark.at - start) / (end - start)
        to_the_left = place > 1 - _LABEL_WIDTH
        left = place - _LABEL_WIDTH if to_the_left else place
        level = _free_row(rows, left)
        rows[level].append(left)
        axes.axvline(day(mark.at), color=INK, linewidth=1.0, alpha=0.7)
        axes.annotate(
            f"{mark.label} {mark.at:%H:%M:%S}",
            (day(mark.at), _HIGHEST_LABEL - level * _LABEL_HEIGHT),
            xycoords=axes.get_xaxis_transform(),
            xytext=(-5 if to_the_left else 5, 0),
            textcoords="offset points",
            ha="right" if to_the_left else "left",
            va="top",
            fontsize=10.5,
            color=INK,
            bbox={"facecolor": PAPER, "edgecolor": "none", "alpha": 0.85, "pad": 1.0},
        )


def _free_row(rows: list[list[float]], left: float) -> int:
    """Index of the first row in which a label beginning here has room; a new one if none has."""
    for index, taken in enumerate(rows):
        if all(abs(other - left) >= _LABEL_WIDTH for other in taken):
            return index
    rows.append([])
    return len(rows) - 1
