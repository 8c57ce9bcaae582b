"""Alerts in the words of the timeline."""

from __future__ import annotations

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


def at_the_declaration(declared: e.Declared, released_at: Instant | None) -> str:
    """The alerts that fired when the assessment was opened, the one that detected it first."""
    first = declared.noticed_by(released_at)
    others = [alert for alert in declared.alerts if alert != first]
    detected = [sentence(f"Detected by monitoring: {_received(first)}")] if first else []
    fired = [sentence(_received(alert)) for alert in others[:_NAMED]]
    more = len(others) - _NAMED
    return " ".join([*detected, *fired, *([f"And {more} more fired."] if more > 0 else [])])


def called(alert: HeardAlert) -> str:
    """An alert's name as one says it."""
    return alert.name or "without a name"


def _received(alert: HeardAlert) -> str:
    if alert.ended_at is None:
        return _fires(alert)
    lasted = spoken((alert.ended_at - alert.started_at).total_seconds())
    return f"alert {called(alert)} ended at {clock_time(alert.ended_at)}, after {lasted}"


def _fires(alert: HeardAlert) -> str:
    since = clock_time(alert.started_at)
    severity = f" ({alert.severity})" if alert.severity else ""
    said = f": {alert.summary}" if alert.summary else ""
    values = f" [{alert.values}]" if alert.values else ""
    origin = ", ".join(part for part in (alert.source, alert.link) if part)
    where = f" ({origin})" if origin else ""
    return f"alert {called(alert)}{severity} fires since {since}{said}{values}{where}"
