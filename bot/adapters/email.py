"""Carries messages to mailboxes by SMTP, with the standard library in a thread.

A mail server cannot be asked whether it took a mail. When the answer to a whole mail is lost it is
sent again with the same Message-ID: a doubled mail is better than a lost one, and mail systems
recognise the doublet by that id.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from email.utils import format_datetime

from bot.adapters.outward import entry_of
from bot.adapters.smtp import hand_over, one_line, spoken
from bot.config.destinations import Audience, EmailDestination
from bot.errors import PermanentError
from bot.ports.clock import Clock
from bot.ports.deliveries import Delivery, Mail, Receipt
from bot.ports.outside import Secrets
from bot.ports.store import Attachment

LONGEST_SUBJECT = 200

Load = Callable[[str, str], Awaitable[Attachment | None]]
"""Reads an attachment by incident id and name."""


class EmailCourier:
    """Implements ``bot.ports.deliveries.Courier`` for ``email:<name>``."""

    def __init__(
        self,
        destinations: Mapping[str, EmailDestination],
        *,
        secrets: Secrets,
        clock: Clock,
        load: Load,
    ) -> None:
        self._destinations = destinations
        self._secrets = secrets
        self._clock = clock
        self._load = load

    async def send(self, delivery: Delivery, previous: Receipt | None) -> Receipt:
        """Hand the mail to the server; refused recipients are named in the receipt's note."""
        name, entry = entry_of(delivery, self._destinations)
        mail = Mail.model_validate(delivery.payload)
        message = await self._message(delivery, entry, mail)
        if previous is not None:
            # Mail programs show what belongs together as one conversation.
            message["In-Reply-To"] = message["References"] = previous.reference
        credentials = None
        if entry.username is not None and entry.password is not None:
            credentials = self._secrets.read(entry.username), self._secrets.read(entry.password)
        to = mail.to or entry.to
        refused = await asyncio.to_thread(hand_over, name, entry, credentials, message, to)
        note = f"Not accepted by the mail server: {spoken(refused)}." if refused else ""
        return Receipt(reference=str(message["Message-ID"]), note=note)

    async def find(self, delivery: Delivery) -> Receipt | None:
        """Nobody can tell; the Message-ID of the repeated mail lets the reader's server."""
        return None

    async def _message(
        self, delivery: Delivery, entry: EmailDestination, mail: Mail
    ) -> EmailMessage:
        to = mail.to or entry.to
        private = entry.audience is Audience.CUSTOMERS and len(to) > 1
        message = EmailMessage(policy=POLICY)
        message["Subject"] = one_line(mail.subject)[:LONGEST_SUBJECT]
        message["From"] = _address(entry.sender)
        # Customers need not know each other.
        message["To"] = "undisclosed-recipients:;" if private else [_address(one) for one in to]
        message["Date"] = format_datetime(self._clock.now())
        message["Message-ID"] = message_id(delivery.id, entry.sender)
        message["Auto-Submitted"] = "auto-generated"
        message["X-Rollback-Bot-Delivery"] = one_line(delivery.id)
        message.set_content(mail.text)
        if mail.html:
            message.add_alternative(mail.html, subtype="html")
        if mail.calendar:
            message.add_alternative(mail.calendar, subtype="calendar", params={"method": "REQUEST"})
        for file in mail.attachments:
            await self._attach(message, delivery.incident_id, file)
        return message

    async def _attach(self, message: EmailMessage, incident_id: str, name: str) -> None:
        attachment = await self._load(incident_id, name)
        if attachment is None:
            raise PermanentError(f"There is no file {name} to attach.", "See the bot's log.")
        main, _, sub = attachment.media_type.partition(";")[0].partition("/")
        message.add_attachment(
            attachment.content, maintype=main, subtype=sub or "octet-stream", filename=name
        )


def message_id(delivery_id: str, sender: str) -> str:
    """The same for every attempt of a delivery, and of no other."""
    digest = hashlib.sha256(delivery_id.encode()).hexdigest()[:24]
    return f"<rollback-bot.{digest}@{sender.rpartition('@')[2]}>"


def _address(address: str) -> Address:
    user, _, domain = address.rpartition("@")
    return Address(username=user, domain=domain)
