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


def slowest(figures: Figures) -> str:
    """The response times of the slow requests, which a mean hides."""
    known = [
        f"{share}% within {milliseconds(value)}"
        for share, value in ((95, figures.p95_ms), (99, figures.p99_ms))
        if value is not None
    ]
    if not known:
        return UNKNOWN
    said = ", ".join(known)
    if figures.p95_ms is None or figures.baseline_p95_ms is None:
        return said
    return f"{said} (normal: 95% within {milliseconds(figures.baseline_p95_ms)})"


def saturation(figures: Figures) -> str:
    """How full the scarcest resource is."""
    return UNKNOWN if figures.saturation is None else f"{figures.saturation:.0%} of the limit"


def business(figures: Figures) -> str:
    """The business metric beside what is normal."""
    now, normal = figures.business_per_minute, figures.baseline_business_per_minute
    if now is None:
        return UNKNOWN
    said = f"{now:,.1f} a minute"
    if normal is None:
        return f"{said} (what is normal is unknown)"
    down = f", down by {percent(figures.business_shortfall)}" if figures.business_shortfall else ""
    return f"{said}, normal {normal:,.1f}{down}"


def more(figures: Figures) -> tuple[str, ...]:
    """Figures that not every service has, one line each; those that are missing are gaps."""
    told = []
    if figures.p95_ms is not None or figures.p99_ms is not None:
        told.append(f"• Slowest requests: {slowest(figures)}")
    if figures.saturation is not None:
        told.append(f"• Saturation: {saturation(figures)}")
    if figures.business_per_minute is not None:
        told.append(f"• Business: {business(figures)}")
    return tuple(told)


def origin(figures: Figures) -> tuple[str, ...]:
    """Where the figures come from, and what normal is."""
    told = []
    if figures.source:
        told.append(f"• Measured by {inline(figures.source)}")
    if figures.baseline_note and figures.baseline_error_rate is not None:
        told.append(f"• Normal: {inline(figures.baseline_note, 300)}")
    return tuple(told)


def releases(figures: Figures) -> str:
    """From which release to which."""
    return f"{release(figures.current_release)} → {release(figures.previous_release)}"


def release(name: str | None) -> str:
    """A release's name within a line of mrkdwn."""
    return code(name, 80) if name else UNKNOWN


def gaps(figures: Figures, *, limit: int = 6) -> tuple[str, ...]:
    """Why figures are missing, one line each."""
    told = [f"• {inline(problem)}" for problem in figures.problems[:limit]]
    if len(figures.problems) > limit:
        told.append(f"• … and {len(figures.problems) - limit} more")
    return tuple(told)


def reasons(verdict: Verdict) -> tuple[str, ...]:
    """Why the matrix says what it says, one line each."""
    return tuple(f"• {inline(reason.text)}" for reason in verdict.reasons)
