"""What monitoring says changes nothing but what is known."""

from __future__ import annotations

from bot.domain import events as e
from bot.domain.changes.base import Table
from bot.domain.detection import with_news

CHANGES: Table = {
    e.AlertReceived: lambda i, ev, at: {"alerts": with_news(i.alerts, ev.alerts)},
}
