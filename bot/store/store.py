"""The store: what both databases have in common, and what only reads."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.core.errors import PermanentError
from bot.store.deliveries import Deliveries
from bot.store.documents import Documents
from bot.store.incidents import Incidents, Owners
from bot.store.schema import Session, T, Work, micros, writes
from bot.store.values import ScrapePoint

REQUESTS_KEPT = timedelta(days=7)
"""How long a request is remembered; Slack redelivers for about an hour."""


class Store(Incidents, Deliveries, Documents, Owners):
    """Durable state. Every method is one transaction; a subclass knows how to run one."""

    def __init__(self, *, patience: float) -> None:
        """``patience``: seconds to wait for an owner's name that another process has."""
        Deliveries.__init__(self)
        Owners.__init__(self, patience=patience)

    @abstractmethod
    async def start(self) -> None:
        """Open, and create or migrate the tables. Raises PermanentError with the reason."""

    @abstractmethod
    async def close(self) -> None:
        """Release every resource; harmless when repeated.

        A registered owner leaves: its leases and claims are free at once.
        """

    @writes
    async def prune(self, session: Session, *, now: datetime, keep_scrapes: timedelta) -> None:
        """Remove expired documents, requests that nobody repeats any more, and old readings."""
        for sql, before in (
            ("DELETE FROM documents WHERE expires_at <= :before", now),
            ("DELETE FROM requests WHERE at < :before", now - REQUESTS_KEPT),
            ("DELETE FROM scrapes WHERE at < :before", now - keep_scrapes),
        ):
            await session.rows(sql, before=micros(before))


class Untouched(Store):
    """A store for commands that promise to change nothing: it is read, and never written.

    Readings of counters are kept in memory and told together with the stored ones.
    """

    _seen: tuple[ScrapePoint, ...] = ()

    async def add_scrapes(self, points: Sequence[ScrapePoint]) -> None:
        """Keep readings of counters until the end of the process."""
        self._seen = (*self._seen, *points)

    async def scrapes(
        self, service: str, *, start: datetime, end: datetime
    ) -> tuple[ScrapePoint, ...]:
        """Stored readings and those of this process, oldest first."""
        stored = await super().scrapes(service, start=start, end=end)
        fresh = (p for p in self._seen if p.service == service and start <= p.at <= end)
        return tuple(sorted((*stored, *fresh), key=lambda point: point.at))

    async def _write(self, work: Work[T]) -> T:
        raise PermanentError("This command changes nothing in the store.", "Use another command.")
