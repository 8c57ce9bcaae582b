"""What sends alerts to the bot, and what one request of it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.core.registry import Registry
from bot.core.values import Value
from bot.incident.alerts import Alert


class Notification(Value):
    """What one request says."""

    group: str
    alerts: tuple[tuple[dict[str, str], Alert], ...]
    """Each with its labels."""


@dataclass(frozen=True, kw_only=True)
class AlertSource:
    """A system that sends alerts. Registered in pyproject.toml, under ``rollback_bot.alerts``."""

    name: str
    parse: Callable[[bytes], Notification]
    """Reads the body of a request; raises RefusedError that says where it is wrong."""


ALERT_SOURCES: Registry[AlertSource] = Registry("alerts", "source of alerts")


def path_of(source: str) -> str:
    """Where a source sends its alerts to, by its name."""
    return f"/webhooks/{source}"
