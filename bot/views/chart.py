"""The error-rate chart of a report: PNG for chats and mails, SVG for pages."""

from __future__ import annotations

import io
import re
import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bot.domain.report import Report
from bot.domain.reporting.history import History, alt_text
from bot.views.chart_lines import (
    BASELINE,
    ERRORS,
    INK,
    LIMIT,
    PAPER,
    day,
    draw_errors,
    draw_levels,
    draw_marks,
    end_of,
    scale,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
