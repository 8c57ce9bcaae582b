"""Traffic stories that every provider of metrics must count alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from bot.catalog.service import ServiceEntry
from bot.metrics.port import Metrics

SERVICE = "checkout"
RELEASE = "v2.1.0"
SECONDS = 0.2
"""Every request takes so long."""
ORDERS = 60
"""A minute, while there are requests."""
BEFORE = 3
"""Minutes of good traffic before each story: the service is known."""
START = datetime.fromtimestamp(datetime.now(UTC).timestamp() // 3600 * 3600, UTC) - timedelta(
    hours=6
)
"""Of every story: long ago enough for any source, recent enough for one that forgets."""

Minute = tuple[int, int] | None
"""Requests and failed ones, both in whole quarters; None: nobody could read them."""


@dataclass(frozen=True, kw_only=True)
class Story:
    """What happened, minute by minute from ``START`` on."""

    name: str
    minutes: tuple[Minute, ...]
    restart_after: int | None = None
    """So many minutes into the story every counter begins at zero again."""

    @property
    def counts(self) -> tuple[tuple[int, int], ...]:
        """Requests and errors of each bucket of a minute."""
        return tuple(minute or (0, 0) for minute in self.minutes)

    @property
    def end(self) -> datetime:
        """When it ends."""
        return START + timedelta(minutes=len(self.minutes))

    def every_minute(self) -> list[tuple[datetime, Minute]]:
        """With the good traffic before."""
        minutes: list[Minute] = [*((600, 0) for _ in range(BEFORE)), *self.minutes]
        begin = START - timedelta(minutes=BEFORE)
        return [(begin + timedelta(minutes=n), minute) for n, minute in enumerate(minutes)]


HEALTHY = Story(name="healthy", minutes=((600, 0), (480, 0), (600, 0), (720, 0), (600, 0)))
FAILING = Story(name="failing", minutes=((600, 0), (600, 120), (400, 400), (600, 60)))
QUIET = Story(name="quiet", minutes=((600, 0), (0, 0), (0, 0), (600, 4)))
RESTARTED = Story(
    name="restarted",
    minutes=((600, 8), (600, 8), (1200, 40), (600, 0)),
    restart_after=2,
)
UNREAD = Story(name="unread", minutes=((600, 0), (600, 4), None, None, (600, 4), (600, 0)))
STORIES = (HEALTHY, FAILING, QUIET, RESTARTED, UNREAD)


class Stage(Protocol):
    """One provider, and the system behind it."""

    metrics: Metrics

    async def tell(self, story: Story) -> ServiceEntry:
        """Let it happen, and say how the catalog describes the service."""

    def misnamed(self, entry: ServiceEntry, *, requests: bool) -> ServiceEntry:
        """The entry with a mistake in what counts requests, or in what tells errors."""

    def shut_out(self, entry: ServiceEntry) -> ServiceEntry:
        """The entry when the bot is not let in."""

    def unreachable(self, entry: ServiceEntry) -> ServiceEntry:
        """The entry when nobody answers."""


def entry_of(metrics: dict[str, object]) -> ServiceEntry:
    """A service that is measured like this."""
    target = {"strategy": "rolling", "namespace": "shop", "deployment": "checkout"}
    return ServiceEntry.model_validate({"rollback": [target], "metrics": metrics})
