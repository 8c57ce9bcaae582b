"""What all monitoring systems have in common that are asked over the network."""

from __future__ import annotations

from datetime import timedelta

from bot.config.durations import Duration
from bot.domain.values import Value


class Hosted(Value):
    """A system that learns of a request some time after it."""

    delay: Duration | None = None
    """So long after a moment its figures are complete; asked earlier, the bot waits."""

    @property
    def late_by(self) -> timedelta:
        """How old the newest complete figures are."""
        return self.delay or timedelta(0)
