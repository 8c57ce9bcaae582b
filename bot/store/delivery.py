"""What is owed to a destination, and who carries it there."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, Protocol

from pydantic import Field

from bot.core.values import Facts, Instant, Value


class Action(StrEnum):
    """What a courier is asked to do at the destination."""

    POST = "post"
    """Post a new message. The payload depends on the kind of destination: ``text`` and ``blocks``
    for Slack, the fields of ``Mail`` where it takes mail, else those of ``StatusMessage``."""
    CARD = "card"
    """Post a message once and update it in place ever after; older pending versions lapse.

    Payload as for POST, and ``pin``: whether the message is to be pinned once it is there."""
    NOTICE = "notice"
    """A message only one person sees: payload ``user``, ``text``, ``blocks``."""
    UPLOAD = "upload"
    """Upload attachments: payload ``files`` (names), ``titles``, ``comment``."""
    INVITE = "invite"
    """Bring people into a channel: payload ``people`` (references of the catalog)."""
    TOPIC = "topic"
    """Set a channel's topic: payload ``topic``."""
    PIN = "pin"
    """Pin the card named in payload ``card``."""
    BOOKMARK = "bookmark"
    """Add a link to the channel's bar: payload ``title``, ``link``."""
    CANVAS = "canvas"
    """Make the channel's canvas: payload ``title``, ``file`` (name of the attachment)."""


class Source(Value):
    """What a delivery is drawn from when it is sent, instead of a payload that it comes with."""

    event: int
    """Number of the event that caused it."""
    state: int
    """Number of the last event that was recorded together with it. A message says what was known
    then, however late it is sent; a card shows the newest state that still has it."""
    message: str = ""
    """Which of the event's messages; empty for a card, which has a name of its own."""


class Delivery(Value):
    """One thing owed to one destination. Its id makes it unique for ever."""

    id: str
    """``<incident>/<purpose>``; storing the same id again is a no-op."""
    incident_id: str = ""
    """Empty for messages outside any incident."""
    destination: str
    """``slack:<channel or user>``, or kind and name of a destination of the catalog, such as
    ``statuspage:<name>``: deliveries to one destination go one at a time, in order."""
    action: Action
    card: str = ""
    """Name of the card, for CARD."""
    series: str = ""
    """Messages to one destination that belong together there, such as those about one trouble on a
    status page: the courier is given the receipt of the newest one before that arrived. Every one
    of them is sent; after one that failed for good the next stands for it."""
    payload: Facts = Field(default_factory=dict)
    """Empty as long as there is a ``source`` that it has not been drawn from."""
    source: Source | None = None
    """None where the payload is finished: for what belongs to no event."""
    told: str = ""
    """What to say on the status card once a destination beside Slack took it: ``identified``."""
    stale_at: Instant | None = None
    """When newer ones have told what it tells: it is not sent any more from then on."""
    optional: bool = False
    """A failure is noted on the status card and nothing waits for it."""


class StatusMessage(Value):
    """Payload of a POST to a status page or webhook: plain text without internals."""

    incident: str
    """The bot's id, ``INC-2026-001``."""
    round: int = 1
    """2 and more for trouble that came back after it was called resolved."""
    status: Literal["investigating", "identified", "monitoring", "resolved"]
    title: str
    text: str
    service: str
    """As customers know it."""
    severity: str
    impact: Literal["none", "minor", "major", "critical"]
    component_status: Literal[
        "operational", "degraded_performance", "partial_outage", "major_outage"
    ]
    started_at: Instant
    at: Instant
    """When the message was written."""
    resolved_at: Instant | None = None


class Mail(Value):
    """Payload of a POST to a mailbox."""

    subject: str
    """One line; line breaks in it become spaces."""
    text: str
    html: str = ""
    """The same as HTML; empty sends plain text alone."""
    to: tuple[str, ...] = ()
    """Addresses that replace those of the catalog for this mail."""
    calendar: str = ""
    """An iCalendar object with METHOD:REQUEST, sent as an invitation."""
    attachments: tuple[str, ...] = ()
    """Names of files that are kept with the incident."""


class Receipt(Value):
    """Proof that a delivery arrived."""

    reference: str
    """What the destination calls it: a message's timestamp, a file's id."""
    channel_id: str = ""
    """The channel's id, when the destination was given by name."""
    note: str = ""
    """What did not work although the delivery did, for example one person not invited."""
    shown: str = ""
    """Digest of what a card shows since: the same is not sent again. Empty where it is unknown."""


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    OWED = "owed"
    IN_FLIGHT = "in_flight"
    SENT = "sent"
    LAPSED = "lapsed"
    """A newer version of the same card replaced it before it was sent."""
    FAILED = "failed"


class DeliveryRow(Value):
    """A delivery with its fate."""

    delivery: Delivery
    state: DeliveryState
    attempts: int
    due_at: Instant
    unknown: bool = False
    """An earlier attempt may have arrived: look before sending again."""
    receipt: Receipt | None = None
    error: str = ""


class Courier(Protocol):
    """Carries deliveries to one kind of destination (the part before the colon)."""

    async def send(self, delivery: Delivery, previous: Receipt | None) -> Receipt:
        """Deliver; ``previous`` is the receipt of the card's last version or of the series' last
        message that arrived, if any.

        Raises TemporaryError to be tried again, OutcomeUnknownError when it may have arrived,
        PermanentError when trying again is pointless.
        """

    async def find(self, delivery: Delivery) -> Receipt | None:
        """The receipt of an earlier attempt whose outcome is unknown; None if it never arrived.

        Raises TemporaryError when that cannot be told now.
        """
