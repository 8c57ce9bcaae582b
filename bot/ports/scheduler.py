"""Calls that are due at some time. Jobs carry a name only; what is due is asked of the store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol

Job = Callable[[], Awaitable[None]]


class Scheduler(Protocol):
    """Jobs live in memory and are made anew at every start."""

    def start(self) -> None:
        """Begin to fire."""

    async def stop(self) -> None:
        """Stop firing and wait for running jobs."""

    def every(self, name: str, interval: timedelta, job: Job) -> None:
        """Run a job repeatedly, never twice at once; a known name is replaced."""

    def at(self, name: str, when: datetime, job: Job) -> None:
        """Run a job once; a moment that has passed means now; a known name is replaced."""

    def cancel(self, name: str) -> None:
        """Forget a job; harmless when there is none."""
