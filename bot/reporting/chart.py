"""The error-rate chart of a report: PNG for chats and mails, SVG for pages."""

from __future__ import annotations

import io
import itertools
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bot.judge.counts import Bucket
from bot.reporting.history import History, Mark, alt_text
from bot.reporting.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# What is drawn into the chart of a report: the errors, the levels, the marks.

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


# Slack shows about 360 to 500 points of width: few pixels, so large letters.
_WIDTH_INCHES, _HEIGHT_INCHES, _DOTS_PER_INCH = 8.0, 4.5, 150
_THEMED = {
    INK: "--chart-ink",
    PAPER: "--chart-paper",
    ERRORS: "--chart-errors",
    LIMIT: "--chart-limit",
    BASELINE: "--chart-baseline",
}
"""Colours that a page may replace, by the names of its CSS variables (``report.css``)."""
_TITLE_LETTERS = 70


def chart_alt_text(report: Report) -> str:
    """What the chart shows, for those who cannot see it."""
    return alt_text(report.history)


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One drawing."""

    png: bytes
    svg: str
    """An ``<svg>`` element for a page, in the page's colours."""


def draw_chart(report: Report) -> Chart:
    """Draw the share of failed requests over time, with the limit, the baseline and the marks.

    Takes a good part of a second, mostly for loading matplotlib: call it outside the event loop.
    """
    figure = _figure(report.history)
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Description": alt_text(report.history)})
    return Chart(png=content.getvalue(), svg=_svg(figure))


def _figure(history: History) -> Figure:
    # Loading matplotlib costs more time and memory than the rest of the bot.
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(_WIDTH_INCHES, _HEIGHT_INCHES), dpi=_DOTS_PER_INCH, facecolor=PAPER)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(facecolor=PAPER)
    start, end = _span(history)
    axes.set_xlim(day(start), day(end))
    draw_errors(axes, history.buckets)
    draw_levels(axes, history)
    scale(axes, history)
    draw_marks(axes, [m for m in history.marks if start <= m.at <= end], start, end)
    _dress(axes, history)
    figure.tight_layout()
    return figure


def _svg(figure: Figure) -> str:
    """The drawing with its text as text, the same for the same figure, without a prologue."""
    import matplotlib as mpl  # noqa: PLC0415

    # Always the same values, so it does not matter that all drawings share them.
    mpl.rcParams["svg.fonttype"] = "none"
    mpl.rcParams["svg.hashsalt"] = "rollback-bot"
    content = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(content, format="svg", metadata=nothing)
    svg = content.getvalue()
    svg = svg[svg.index("<svg") :]
    for colour, name in _THEMED.items():
        svg = re.sub(colour, f"var({name}, {colour})", svg, flags=re.IGNORECASE)
    return svg


def _span(history: History) -> tuple[datetime, datetime]:
    """From the first bucket or mark to the last, with some air; at least a minute."""
    moments = [mark.at for mark in history.marks] + [b.start for b in history.buckets]
    moments += [end_of(b) for b in history.buckets]
    start, end = min(moments), max(moments)
    air = max((end - start) * 0.02, timedelta(seconds=1))
    return start - air, max(end + air, start + timedelta(minutes=1))


def _dress(axes: Axes, history: History) -> None:
    from matplotlib.dates import AutoDateLocator, DateFormatter  # noqa: PLC0415
    from matplotlib.ticker import FuncFormatter  # noqa: PLC0415

    title = textwrap.fill(history.title, _TITLE_LETTERS)
    axes.set_title(title, fontsize=13, color=INK, loc="left", pad=12, parse_math=False)
    axes.set_ylabel("Failed requests (%)", fontsize=12, color=INK)
    axes.set_xlabel("Time (UTC)", fontsize=12, color=INK)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}%"))
    axes.xaxis.set_major_locator(AutoDateLocator(UTC, minticks=3, maxticks=7))  # type: ignore[no-untyped-call]
    start, end = axes.get_xlim()
    seconds = (end - start) * 86_400 < 600
    shown = "%H:%M:%S" if seconds else "%H:%M"
    axes.xaxis.set_major_formatter(DateFormatter(shown, UTC))  # type: ignore[no-untyped-call]
    axes.tick_params(labelsize=11, colors=INK)
    axes.grid(visible=True, axis="y", alpha=0.25)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_edgecolor(INK)
    axes.legend(
        fontsize=10.5,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.17),
        ncols=4,
        frameon=False,
        labelcolor=INK,
    )
