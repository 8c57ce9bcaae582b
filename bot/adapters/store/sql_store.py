"""The Store over SQL: every method is one transaction of the modules beside this one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bot.adapters.store import deliveries as queue
from bot.adapters.store import documents, incidents, leases, scrapes, settlements
from bot.adapters.store.documents import put as put_documents
from bot.adapters.store.owned_store import OwnedStore
from bot.adapters.store.session import Session
from bot.domain.events import Recorded
from bot.ports.deliveries import Delivery, DeliveryRow, Receipt
from bot.ports.store import Attachment, Batch, Document, IncidentHead, Lease, ScrapePoint


class SqlStore(OwnedStore):
    """The methods of ``bot.ports.store.Store``; a subclass knows how to run a transaction."""

    def __init__(self) -> None:
        super().__init__()
        # The number of each attempt that this process has claimed and not settled, by the
        # delivery's id: it tells our claim from that of a process which took over.
        self._attempts: dict[str, int] = {}

    @abstractmethod
    async def start(self) -> None:
        """Open, and create or migrate the tables."""

    @abstractmethod
    async def close(self) -> None:
        """Release every resource; harmless when repeated."""

    async def declare(
        self, *, service: str, now: datetime, make: Callable[[str], Batch]
    ) -> IncidentHead:
        """Allot the next id of the year and write the first batch."""
        return await self._write(
            lambda s: incidents.declare(s, service=service, now=now, make=make)
        )

    async def append(
        self,
        incident_id: str,
        *,
        expected: int,
        batch: Batch,
        now: datetime,
        lease: Lease | None = None,
    ) -> int:
        """Write a batch after event number ``expected``; returns the new last number."""
        return await self._write(
            lambda s: incidents.append(
                s, incident_id, expected=expected, batch=batch, now=now, lease=lease
            )
        )

    async def load(self, incident_id: str, *, after: int = 0) -> tuple[Recorded, ...]:
        """An incident's events behind number ``after``, oldest first; empty for an unknown id."""
        return await self._read(lambda s: incidents.load(s, incident_id, after=after))

    async def incidents(
        self, *, service: str | None = None, open_only: bool = False, limit: int = 100
    ) -> tuple[IncidentHead, ...]:
        """Incidents, newest first."""
        return await self._read(
            lambda s: incidents.heads(s, service=service, open_only=open_only, limit=limit)
        )

    async def acquire(
        self, name: str, *, owner: str, ttl: timedelta, now: datetime
    ) -> Lease | None:
        """Take or renew a lease; None while another owner's has not expired."""
        return await self._write(lambda s: leases.acquire(s, name, owner=owner, ttl=ttl, now=now))

    async def release(self, lease: Lease) -> None:
        """Give a lease back; harmless when it was lost."""
        await self._write(lambda s: leases.release(s, lease))

    async def enqueue(
        self,
        deliveries: Sequence[Delivery],
        *,
        now: datetime,
        documents: Sequence[Document] = (),
    ) -> None:
        """Owe deliveries that belong to no event, and remember why, all or nothing."""

        async def both(session: Session) -> None:
            await queue.owe(session, deliveries, now=now)
            await put_documents(session, documents)

        await self._write(both)

    async def claim_deliveries(
        self, *, owner: str, now: datetime, ttl: timedelta, limit: int = 50
    ) -> tuple[DeliveryRow, ...]:
        """Mark due deliveries as in flight and return them: the first of each destination."""
        claimed = await self._write(
            lambda s: queue.claim(s, owner=owner, now=now, ttl=ttl, limit=limit)
        )
        self._attempts.update((row.delivery.id, row.attempts) for row in claimed)
        return claimed

    async def settle_sent(self, delivery_id: str, receipt: Receipt, *, now: datetime) -> None:
        """The delivery arrived. Raises NotFoundError for an id that was never owed."""
        await self._write(lambda s: settlements.sent(s, delivery_id, receipt, now=now))
        self._attempts.pop(delivery_id, None)

    async def settle_retry(
        self, delivery_id: str, *, due_at: datetime, error: str, unknown: bool
    ) -> None:
        """The delivery is owed again from ``due_at`` on, unless another process has it now."""
        attempt = self._attempts.get(delivery_id)
        await self._write(
            lambda s: settlements.retry(
                s, delivery_id, attempt=attempt, due_at=due_at, error=error, unknown=unknown
            )
        )
        self._attempts.pop(delivery_id, None)

    async def settle_failed(self, delivery_id: str, error: str, *, now: datetime) -> None:
        """The delivery will never arrive, unless another process is trying it now."""
        attempt = self._attempts.get(delivery_id)
        await self._write(
            lambda s: settlements.failed(s, delivery_id, attempt=attempt, error=error, now=now)
        )
        self._attempts.pop(delivery_id, None)

    async def card_receipt(self, destination: str, card: str, incident_id: str) -> Receipt | None:
        """The receipt of the newest version of a card that arrived."""
        return await self._read(lambda s: queue.card_receipt(s, destination, card, incident_id))

    async def series_receipt(
        self, destination: str, series: str, incident_id: str
    ) -> Receipt | None:
        """The receipt of the newest delivery of a series that arrived."""
        return await self._read(lambda s: queue.series_receipt(s, destination, series, incident_id))

    async def deliveries(self, incident_id: str) -> tuple[DeliveryRow, ...]:
        """Every delivery of an incident, in order."""
        return await self._read(lambda s: queue.of_incident(s, incident_id))

    async def next_delivery_at(self) -> datetime | None:
        """When the earliest owed delivery is due; None when nothing is owed."""
        return await self._read(queue.next_due)

    async def put(self, document: Document) -> None:
        """Write or replace a document."""
        await self._write(lambda s: documents.put(s, [document]))

    async def get(self, kind: str, document_id: str) -> Document | None:
        """Read a document."""
        return await self._read(lambda s: documents.get(s, kind, document_id))

    async def documents(self, kind: str) -> tuple[Document, ...]:
        """All documents of a kind."""
        return await self._read(lambda s: documents.of_kind(s, kind))

    async def delete(self, kind: str, document_id: str) -> bool:
        """Remove a document; False when it was not there."""
        return await self._write(lambda s: documents.delete(s, kind, document_id))

    async def attachment(self, incident_id: str, name: str) -> Attachment | None:
        """Read a file kept with an incident."""
        return await self._read(lambda s: documents.attachment(s, incident_id, name))

    async def attachments(self, incident_id: str) -> tuple[str, ...]:
        """Names of the files kept with an incident."""
        return await self._read(lambda s: documents.attachments(s, incident_id))

    async def add_scrapes(self, points: Sequence[ScrapePoint]) -> None:
        """Keep readings of counters."""
        await self._write(lambda s: scrapes.add(s, points))

    async def scrapes(
        self, service: str, *, start: datetime, end: datetime
    ) -> tuple[ScrapePoint, ...]:
        """Readings with start ≤ at ≤ end, oldest first, and of each instance the last before."""
        return await self._read(lambda s: scrapes.between(s, service, start=start, end=end))

    async def prune(self, *, now: datetime, keep_scrapes: timedelta) -> None:
        """Remove expired documents, old requests and old readings."""

        async def remove(session: Session) -> None:
            await documents.prune(session, now)
            await incidents.prune(session, now)
            await scrapes.prune(session, now - keep_scrapes)

        await self._write(remove)
