"""Incoming alerts: which service an alert speaks of, and where it is told."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from bot.config.durations import Duration
from bot.config.references import ChannelRef
from bot.domain.values import Value


class Alerts(Value):
    """What ``/webhooks/alertmanager`` does with what comes in."""

    service_label: str = Field(default="service", min_length=1)
    """Label of an alert that names its service."""
    services: dict[str, str] = Field(default_factory=dict)
    """Values of that label that differ from the service's name here: label value → service."""
    channel: ChannelRef | None = None
    """Where alerts are told; default: the service's stakeholder channels, else those of
    ``updates``."""
    forget_after: Duration = timedelta(hours=24)
    """An alert that was not heard of for so long is over: the next one is a message of its own.
    Must be longer than the sender's ``repeat_interval``."""
