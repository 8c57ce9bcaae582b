"""What is kept in the store: batches, documents, attachments, leases, readings of counters."""

from __future__ import annotations

from pydantic import Field

from bot.core.values import Facts, Instant, Value
from bot.incident.events import AnyEvent
from bot.store.delivery import Delivery


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
