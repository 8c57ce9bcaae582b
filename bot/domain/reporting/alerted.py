"""Alerts in the words of the timeline."""

from __future__ import annotations

from collections.abc import Iterator

from bot.domain import events as e
from bot.domain.detection import HeardAlert
from bot.domain.plan import Plan
from bot.domain.reporting.document import clock_time, sentence
from bot.domain.values import Instant, spoken

_NAMED = 10
"""Alerts that one line of the timeline tells; more are counted."""


def received(event: e.AlertReceived, plan: Plan | None) -> str:
    """What began and what ended."""
    told = [sentence(_received(alert)) for alert in event.alerts[:_NAMED]]
    more = len(event.alerts) - _NAMED
    return " ".join([*told, *([f"And {more} more."] if more > 0 else [])])


def before_the_declaration(
    declared: e.Declared, released_at: Instant | None
) -> Iterator[tuple[Instant, str]]:
    """The alerts that fired when the assessment was opened, at the time at which they began."""
    first = declared.noticed_by(released_at)
    for alert in sorted(declared.alerts, key=lambda one: one.started_at):
        detected = "Detected: " if alert == first else ""
        # The clock of another process may be ahead.
        began = min(alert.started_at, declared.assessed_at)
        yield began, f"{detected}{_fires(alert)}"


def called(alert: HeardAlert) -> str:
    """An alert's name as one says it."""
    return alert.name or "without a name"


def _received(alert: HeardAlert) -> str:
    if alert.ended_at is None:
        return _fires(alert, since=f" since {clock_time(alert.started_at)}")
    lasted = spoken((alert.ended_at - alert.started_at).total_seconds())
    return f"alert {called(alert)} ended at {clock_time(alert.ended_at)}, after {lasted}"


def _fires(alert: HeardAlert, since: str = "") -> str:
    severity = f" ({alert.severity})" if alert.severity else ""
    said = f": {alert.summary}" if alert.summary else ""
    values = f" [{alert.values}]" if alert.values else ""
    origin = ", ".join(part for part in (alert.source, alert.link) if part)
    where = f" ({origin})" if origin else ""
    return f"alert {called(alert)}{severity} fires{since}{said}{values}{where}"
