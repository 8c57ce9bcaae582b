"""The store: incidents, owed deliveries, leases, and what the metrics recorder keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from pydantic import Field

from bot.domain.events import AnyEvent, Recorded
from bot.domain.values import Facts, Instant, Value
from bot.ports.deliveries import Delivery, DeliveryRow, Receipt


class Document(Value):
    """A small piece of state beside the incidents: a draft, a watch, a release mark."""

    kind: str
    id: str
    body: Facts
    expires_at: Instant | None = None
    """After this it may be removed; None keeps it."""


class Attachment(Value):
    """A file kept with an incident."""

    name: str
    media_type: str
    content: bytes


class Batch(Value):
    """What one decision writes, all or nothing."""

    events: tuple[AnyEvent, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    documents: tuple[Document, ...] = ()
    request_id: str = ""
    """Identity of the inbound request that caused it; a second one with it is refused."""
    closes: bool = False
    """Whether the incident ends its claim on the service."""
    reopens: bool = False
    """Whether a closed incident takes its claim on the service again; refused, naming the other,
    while another incident of the service is open. Harmless on an open one."""


class IncidentHead(Value):
    """An incident in a list."""

    id: str
    service: str
    seq: int
    is_open: bool
    opened_at: Instant


class Lease(Value):
    """The right to work on something until it expires, unless renewed."""

    name: str
    owner: str
    fence: int
    """Rises with every change of owner; a writer with an older number is rejected."""
    expires_at: Instant


class ScrapePoint(Value):
    """One reading of one pod's cumulative counters."""

    service: str
    at: Instant
    instance: str
    """Pod uid: a restarted pod is another instance."""
    release: str
    born_at: Instant
    """When the instance started to count from zero."""
    requests: float
    errors: float
    duration_sum: float = 0.0
    """Seconds."""
    duration_count: float = 0.0
    duration_buckets: dict[str, float] = Field(default_factory=dict)
    """Upper bound in seconds, as exported → requests that took no longer."""
    business: float | None = None
    """What the service is there for, counted since birth; None where it is not exported."""
    saturation: float | None = None
    """Used share of the scarcest resource; None where it is not exported."""


class Store(Protocol):
    """Durable state. Every method is one transaction."""

    async def start(self) -> None:
        """Open, and create or migrate the tables. Raises PermanentError with the reason."""

    async def close(self) -> None:
        """Release every resource; harmless when repeated.

        A registered owner leaves: its leases and claims are free at once.
        """

    async def register(self, owner: str) -> None:
        """Make this process known as living until it ends or closes the store.

        Called once after ``start``, before anything is acquired or claimed under the name;
        repeating it is harmless. A dead predecessor of the same name is buried. Where a living
        process could not be told from a dead one, the owner stays unregistered, with a warning.
        Raises PermanentError when another living process has the name, or when its mark of life
        cannot be made.
        """

    async def bury(self, *, now: datetime) -> tuple[str, ...]:
        """Free what registered owners hold that are provably dead; returns their names, sorted.

        Their leases can be acquired at once, under a higher fence. Their claims are given back
        and come with ``unknown=True``. A process that is alive is never buried, however long it
        stands still, and of several that bury at once only one is told a name. An owner that
        never registered is left to its ttls, and so is one whose life cannot be told from here:
        it registered on another host, before a reboot, or before the database was restarted.
        """

    async def declare(
        self, *, service: str, now: datetime, make: Callable[[str], Batch]
    ) -> IncidentHead:
        """Allot the next id of the year (``INC-2026-001``) and write the first batch.

        ``make`` is given the id. Raises RefusedError naming the open incident when the service
        has one, DuplicateRequestError when the batch's request was carried out before.
        """

    async def append(
        self,
        incident_id: str,
        *,
        expected: int,
        batch: Batch,
        now: datetime,
        lease: Lease | None = None,
    ) -> int:
        """Write a batch after event number ``expected``; returns the new last number.

        Raises ConcurrencyError when there are newer events, LeaseLostError when the lease's
        fence is not the current one, DuplicateRequestError for a repeated request, RefusedError
        when the batch reopens the incident while its service has another open one.
        """

    async def load(self, incident_id: str, *, after: int = 0) -> tuple[Recorded, ...]:
        """An incident's events behind number ``after``, oldest first; empty for an unknown id."""

    async def incidents(
        self, *, service: str | None = None, open_only: bool = False, limit: int = 100
    ) -> tuple[IncidentHead, ...]:
        """Incidents, newest first."""

    async def acquire(
        self, name: str, *, owner: str, ttl: timedelta, now: datetime
    ) -> Lease | None:
        """Take or renew a lease; None while another owner's has not expired."""

    async def release(self, lease: Lease) -> None:
        """Give a lease back; harmless when it was lost."""

    async def enqueue(
        self,
        deliveries: Sequence[Delivery],
        *,
        now: datetime,
        documents: Sequence[Document] = (),
    ) -> None:
        """Owe deliveries that belong to no event, and remember why, all or nothing."""

    async def claim_deliveries(
        self, *, owner: str, now: datetime, ttl: timedelta, limit: int = 50
    ) -> tuple[DeliveryRow, ...]:
        """Mark due deliveries as in flight and return them: the first of each destination.

        A destination with a delivery in flight is skipped. A delivery whose claim is older than
        ``ttl`` is claimed again and comes with ``unknown=True``. Of a card, only the newest
        version is returned, and the older ones lapse.
        """

    async def settle_sent(self, delivery_id: str, receipt: Receipt, *, now: datetime) -> None:
        """The delivery arrived."""

    async def settle_retry(
        self, delivery_id: str, *, due_at: datetime, error: str, unknown: bool
    ) -> None:
        """The delivery is owed again from ``due_at`` on."""

    async def settle_failed(self, delivery_id: str, error: str, *, now: datetime) -> None:
        """The delivery will never arrive."""

    async def card_receipt(self, destination: str, card: str, incident_id: str) -> Receipt | None:
        """The receipt of the newest version of a card that arrived."""

    async def series_receipt(
        self, destination: str, series: str, incident_id: str
    ) -> Receipt | None:
        """The receipt of the newest delivery of a series that arrived."""

    async def deliveries(self, incident_id: str) -> tuple[DeliveryRow, ...]:
        """Every delivery of an incident, in order."""

    async def next_delivery_at(self) -> datetime | None:
        """When the earliest owed delivery is due; None when nothing is owed."""

    async def put(self, document: Document) -> None:
        """Write or replace a document."""

    async def get(self, kind: str, document_id: str) -> Document | None:
        """Read a document."""

    async def documents(self, kind: str) -> tuple[Document, ...]:
        """All documents of a kind."""

    async def delete(self, kind: str, document_id: str) -> bool:
        """Remove a document; False when it was not there (so that only one of two wins)."""

    async def attachment(self, incident_id: str, name: str) -> Attachment | None:
        """Read a file kept with an incident."""

    async def attachments(self, incident_id: str) -> tuple[str, ...]:
        """Names of the files kept with an incident."""

    async def add_scrapes(self, points: Sequence[ScrapePoint]) -> None:
        """Keep readings of counters."""

    async def scrapes(
        self, service: str, *, start: datetime, end: datetime
    ) -> tuple[ScrapePoint, ...]:
        """Readings with start ≤ at ≤ end, oldest first, and of each instance the last before."""

    async def prune(self, *, now: datetime, keep_scrapes: timedelta) -> None:
        """Remove expired documents, old requests and old readings."""
