"""What monitoring says by itself while an incident goes on."""

from __future__ import annotations

from typing import Literal

from bot.domain.detection import HeardAlert
from bot.domain.events.base import Event


class AlertReceived(Event):
    """Alerts of the service began or ended; each beginning and each end is recorded once."""

    kind: Literal["alert_received"] = "alert_received"
    alerts: tuple[HeardAlert, ...]
    """Those that were news; an end repeats what began."""
