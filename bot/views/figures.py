"""Figures in words: what is known, what is not, and why."""

from __future__ import annotations

from bot.domain.assessment import Figures, Verdict, percent
from bot.views.markup import code, inline

UNKNOWN = "unknown"
UNKNOWN_IS_NOT_HEALTHY = "Unknown does not mean healthy."


def rate(share: float) -> str:
    """An error rate in two decimals, as the recovery table shows it."""
    return f"{share:.2%}"


def milliseconds(value: float) -> str:
    """A response time."""
    return f"{value:,.0f} ms"


def error_rate(figures: Figures) -> str:
    """The error rate beside what is normal."""
    if figures.error_rate is None:
        return UNKNOWN
    said = percent(figures.error_rate)
    if figures.requests is not None:
        said += f" of {figures.requests:,} requests"
    if figures.baseline_error_rate is None:
        return f"{said} (what is normal is unknown)"
    return f"{said} (normal: {percent(figures.baseline_error_rate)})"


def latency(figures: Figures) -> str:
    """The response time as a multiple of what is normal."""
    if figures.latency_ms is None:
        return UNKNOWN
    said = milliseconds(figures.latency_ms)
    if figures.latency_ratio is None or figures.baseline_latency_ms is None:
        return f"{said} (what is normal is unknown)"
    normal = milliseconds(figures.baseline_latency_ms)
    return f"{said}, {figures.latency_ratio:.1f}× the normal {normal}"


def releases(figures: Figures) -> str:
    """From which release to which."""
    return f"{release(figures.current_release)} → {release(figures.previous_release)}"


def release(name: str | None) -> str:
    """A release's name within a line of mrkdwn."""
    return code(name, 80) if name else UNKNOWN


def gaps(figures: Figures, *, limit: int = 5) -> tuple[str, ...]:
    """Why figures are missing, one line each."""
    told = [f"• {inline(problem)}" for problem in figures.problems[:limit]]
    if len(figures.problems) > limit:
        told.append(f"• … and {len(figures.problems) - limit} more")
    return tuple(told)


def reasons(verdict: Verdict) -> tuple[str, ...]:
    """Why the matrix says what it says, one line each."""
    return tuple(f"• {inline(reason.text)}" for reason in verdict.reasons)
