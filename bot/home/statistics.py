"""Statistics in words that every surface shares."""

from __future__ import annotations

from bot.core.values import spoken
from bot.home.model import Statistics
from bot.incident.assessment import percent

UNKNOWN = "unknown"


def figures(found: Statistics) -> tuple[tuple[str, str], ...]:
    """Titles and values as plain text, the two of DORA first."""
    return (
        ("Failed-deployment recovery time (median)", _recovery(found)),
        ("Change-fail rate", _rate(found)),
        ("Incidents", str(found.incidents)),
        ("Rolled back", str(found.interventions)),
        ("Recovery proven and held", f"{found.recovered} of {found.interventions}"),
        ("Relapsed after a proof", str(found.relapsed)),
    )


def title(found: Statistics) -> str:
    """Which time and which service the figures are of, as plain text."""
    days = max(1, round((found.end - found.start).total_seconds() / 86400))
    of = found.service or "all services"
    return f"Last {days} {'day' if days == 1 else 'days'}, {of}"


def _recovery(found: Statistics) -> str:
    if found.recovery_seconds is None:
        return UNKNOWN
    told = spoken(max(0.0, found.recovery_seconds))
    if found.longest_recovery_seconds is None or found.recovered < 2:
        return told
    return f"{told} (longest {spoken(max(0.0, found.longest_recovery_seconds))})"


def _rate(found: Statistics) -> str:
    rate = found.change_fail_rate
    if rate is None or found.deployments_since is None:
        seen = " (no deployment seen)" if found.deployments == 0 else ""
        return f"{UNKNOWN}{seen}"
    since = f"{found.deployments_since:%Y-%m-%d}"
    return f"{percent(rate)} ({found.failed_deployments} of {found.deployments} since {since})"
