"""Carries messages to mailboxes by SMTP, with the standard library in a thread.

A mail server cannot be asked whether it took a mail. When the answer to a whole mail is lost it is
sent again with the same Message-ID: a doubled mail is better than a lost one, and mail systems
recognise the doublet by that id.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from email.utils import format_datetime

from bot.adapters.outward import entry_of
from bot.adapters.smtp import EmailDestination, hand_over, knock, one_line, spoken
from bot.config.destinations import Audience
from bot.domain.findings import Finding, passed
from bot.errors import PermanentError
from bot.ports.clock import Clock
from bot.ports.deliveries import Delivery, Mail, Receipt
from bot.ports.destinations import DestinationKind, Load
from bot.ports.outside import Http, Secrets

LONGEST_SUBJECT = 200


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
        credentials = _credentials(entry, self._secrets)
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


def _credentials(entry: EmailDestination, secrets: Secrets) -> tuple[str, str] | None:
    if entry.username is None or entry.password is None:
        return None
    return secrets.read(entry.username), secrets.read(entry.password)


async def _check(
    name: str, box: EmailDestination, subject: str, _: Http, secrets: Secrets
) -> Finding:
    credentials = _credentials(box, secrets)
    await asyncio.to_thread(knock, name, box, credentials)
    how = "takes the login" if credentials else "answers; no login is configured"
    secured = " without encryption" if box.security == "none" else ""
    return passed(
        subject,
        f"{box.host}:{box.port} {how}{secured}. No mail was sent: recipients are unchecked.",
    )


EMAIL = DestinationKind(
    name="email",
    settings=EmailDestination,
    noun="e-mail",
    courier=lambda boxes, access: EmailCourier(
        boxes, secrets=access.secrets, clock=access.clock, load=access.load
    ),
    check=_check,
)
