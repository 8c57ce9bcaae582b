"""Where counts of requests come from."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from bot.config.catalog import ServiceEntry
from bot.domain.series import Counts


class Series(Counts):
    """The same as a source of metrics tells it, which may fall short of what is asked for."""

    problems: tuple[str, ...] = ()
    """Why a figure that the catalog asks for is unknown, one sentence each."""

    @property
    def requests(self) -> int:
        """All requests."""
        return sum(bucket.requests for bucket in self.buckets)

    @property
    def errors(self) -> int:
        """All failed requests."""
        return sum(bucket.errors for bucket in self.buckets)

    @property
    def error_rate(self) -> float | None:
        """Pooled errors per request; None without requests."""
        return self.errors / self.requests if self.requests else None


class Metrics(Protocol):
    """Where request counts come from."""

    async def series(
        self, name: str, service: ServiceEntry, *, start: datetime, end: datetime, seconds: float
    ) -> Series:
        """Consecutive buckets of ``seconds`` from start on; a span without data has 0 requests.

        A source that keeps whole minutes begins with the first whole minute after the start and
        may return longer buckets. One that learns of requests late is waited for, so that a
        bucket is never half full. A figure beside the counts that cannot be told is None, and
        ``problems`` says why.

        Raises TemporaryError when the source does not answer, or answers in part;
        PermanentError when the service has no metrics, the bot may not read them, the series do
        not exist, or no errors and a wrong query for errors cannot be told apart.
        """
