"""Time as a port, so that ten minutes take milliseconds in a test."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells and waits."""

    def now(self) -> datetime:
        """The present moment in UTC, with its time zone."""

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds of this clock."""
