"""The real clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Protocol

# Time as a port, so that ten minutes take milliseconds in a test.


class Clock(Protocol):
    """Tells and waits."""

    def now(self) -> datetime:
        """The present moment in UTC, with its time zone."""

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds of this clock."""


class SystemClock:
    """Wall-clock time."""

    def now(self) -> datetime:
        """The present moment in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait; a span that has passed already only lets others run."""
        await asyncio.sleep(max(0.0, seconds))
