"""Carries messages to mailboxes by SMTP, with the standard library in a thread.

A mail server cannot be asked whether it took a mail. When the answer to a whole mail is lost it is
sent again with the same Message-ID: a doubled mail is better than a lost one, and mail systems
recognise the doublet by that id.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from email.utils import format_datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from bot.catalog.destination import Audience, Destination
from bot.catalog.types import SecretName
from bot.clouds.outside import Http, Secrets
from bot.communication.destinations.base import DestinationKind, Load, entry_of
from bot.core.clock import Clock
from bot.core.errors import (
    ForbiddenError,
    OutcomeUnknownError,
    PermanentError,
    RollbackBotError,
    TemporaryError,
)
from bot.core.findings import Finding, passed
from bot.incident.assessment import Severity
from bot.store.delivery import Delivery, Mail, Receipt

# One mail over one SMTP connection, and the server's answers as errors.

STEP_SECONDS = 8.0
"""How long the server may take for each of its answers."""
WHOLE_SECONDS = 40.0
"""How long a mail may take altogether: less than the outbox waits before it tries anew."""

_MAILBOX = re.compile(r"[^@\s<>,;:\"]+@[^@\s<>,;:\"]+")
Refused = dict[str, tuple[int, bytes]]
"""Refused recipients, each with the server's code and words."""


def _mailbox(value: str) -> str:
    if not _MAILBOX.fullmatch(value):
        raise ValueError(f"“{value}” is not an e-mail address such as status@example.com")
    return value


Mailbox = Annotated[str, AfterValidator(_mailbox)]
"""``status@example.com``."""


class EmailDestination(Destination):
    """A mail server, and who gets mail through it."""

    takes_mail = True

    kind: Literal["email"]
    audience: Audience
    """Needed, because a stakeholder's mail must never reach a customer by default."""
    host: str = Field(min_length=1)
    """The SMTP server."""
    port: int = Field(default=587, ge=1, le=65535)
    """Its port: 587 for STARTTLS, 465 for TLS from the start."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """``tls`` from the first byte (port 465), or ``starttls``; ``none`` only on a trusted wire."""
    username: SecretName | None = None
    """Name of the environment variable with the user's name; none for no login."""
    password: SecretName | None = None
    """Name of the environment variable with the password."""
    sender: Mailbox = Field(alias="from")
    """The address in From."""
    to: tuple[Mailbox, ...] = Field(min_length=1)
    """The recipients."""
    severities: frozenset[Severity] = frozenset({Severity.CRITICAL})
    updates: bool = True
    """Whether stakeholders are mailed every update, or only the turning points."""

    @model_validator(mode="after")
    def _credentials_are_whole_and_safe(self) -> EmailDestination:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together: give both or neither")
        if self.password is not None and self.security == "none":
            raise ValueError("a password is not sent in clear text: use security starttls or tls")
        return self

    @property
    def read_by(self) -> Audience:
        """Whom the catalog says."""
        return self.audience

    @property
    def takes_updates(self) -> bool:
        """As the catalog says."""
        return self.updates


def hand_over(
    name: str,
    entry: EmailDestination,
    credentials: tuple[str, str] | None,
    message: EmailMessage,
    to: tuple[str, ...],
) -> Refused:
    """Give one mail to the server; returns the recipients that it refused while it took others.

    Blocks, so it wants a thread. Raises TemporaryError, OutcomeUnknownError when the mail may have
    been taken, ForbiddenError and PermanentError.
    """
    subject = f"Mail server “{name}”"
    with _entered(name, entry, credentials) as server:
        try:
            return server.send_message(message, from_addr=entry.sender, to_addrs=list(to))
        except smtplib.SMTPRecipientsRefused as error:
            raise _nobody(error.recipients, subject, name) from None
        except smtplib.SMTPResponseException as error:
            raise _answered(error, subject, name) from None
        except smtplib.SMTPNotSupportedError as error:
            raise _unsupported(error, subject, name) from None
        except (OSError, smtplib.SMTPException):
            raise OutcomeUnknownError(f"{subject} did not answer to the end.") from None


def knock(name: str, entry: EmailDestination, credentials: tuple[str, str] | None) -> None:
    """Go as far as one can without a mail: encrypted, greeted, logged in.

    Blocks and raises as ``hand_over`` does, but never OutcomeUnknownError.
    """
    with _entered(name, entry, credentials):
        pass


@contextmanager
def _entered(
    name: str, entry: EmailDestination, credentials: tuple[str, str] | None
) -> Iterator[smtplib.SMTP]:
    """A connection over which mails may be sent; until then nothing can have been taken."""
    subject, began = f"Mail server “{name}”", time.monotonic()
    try:
        server = _open(entry)
    except smtplib.SMTPResponseException as error:
        raise _answered(error, subject, name) from None
    except (OSError, smtplib.SMTPException) as error:
        raise _not_reached(error, subject, name) from None
    left = WHOLE_SECONDS - (time.monotonic() - began)
    with _limited(server, max(STEP_SECONDS, left)):
        try:
            server.ehlo_or_helo_if_needed()
            if credentials:
                server.login(*credentials)
        except smtplib.SMTPResponseException as error:
            raise _answered(error, subject, name) from None
        except UnicodeEncodeError:
            raise PermanentError(
                f"{subject}: user name or password have letters that no mail server takes.",
                f"Use ASCII in the variables named in destinations.{name}.",
            ) from None
        except (OSError, smtplib.SMTPException) as error:
            raise _not_reached(error, subject, name) from None
        yield server


def _open(entry: EmailDestination) -> smtplib.SMTP:
    """A connection, encrypted as the catalog says."""
    context = ssl.create_default_context()
    if entry.security == "tls":
        return smtplib.SMTP_SSL(entry.host, entry.port, timeout=STEP_SECONDS, context=context)
    server = smtplib.SMTP(entry.host, entry.port, timeout=STEP_SECONDS)
    if entry.security == "starttls":
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
    return server


@contextmanager
def _limited(server: smtplib.SMTP, seconds: float) -> Iterator[None]:
    """Ends the connection, at the latest after so long: a server may dribble its answers."""

    def cut() -> None:
        if server.sock is not None:
            with suppress(OSError):
                server.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        try:
            server.quit()
        except (smtplib.SMTPException, OSError):
            server.close()
        timer.cancel()


def _answered(error: smtplib.SMTPResponseException, subject: str, name: str) -> RollbackBotError:
    """4xx answers pass, also 454 to a login (RFC 4954, 6); 5xx ones do not."""
    what = f"{subject} answered {error.smtp_code} ({_text(error.smtp_error)})."
    if 400 <= error.smtp_code < 500:
        return TemporaryError(what)
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return ForbiddenError(what, f"Correct the variables named in destinations.{name}.")
    if isinstance(error, smtplib.SMTPSenderRefused):
        return PermanentError(what, f"Correct destinations.{name}.from.")
    return PermanentError(what, f"Ask who keeps the mail server; see destinations.{name}.")


def _not_reached(error: Exception, subject: str, name: str) -> RollbackBotError:
    if isinstance(error, ssl.SSLError):
        remedy = f"Check host, port and security of destinations.{name}, and its certificate."
        what = f"{subject} cannot be spoken to safely ({error.reason or 'TLS failed'})."
        if isinstance(error, ssl.SSLCertVerificationError):
            return PermanentError(what, remedy)
        return TemporaryError(what, remedy)
    # A bare SMTPException: none of the ways to log in that the server offers is known.
    if isinstance(error, smtplib.SMTPNotSupportedError) or type(error) is smtplib.SMTPException:
        return _unsupported(error, subject, name)
    return TemporaryError(f"{subject} cannot be reached ({type(error).__name__}).")


def _unsupported(error: Exception, subject: str, name: str) -> RollbackBotError:
    return PermanentError(
        f"{subject} does not offer what the catalog asks for: {error}.",
        f"Correct security, username and password of destinations.{name}.",
    )


def _nobody(refused: Refused, subject: str, name: str) -> RollbackBotError:
    what = f"{subject} accepts none of the recipients: {spoken(refused)}."
    if all(400 <= code < 500 for code, _ in refused.values()):
        return TemporaryError(what)
    return PermanentError(what, f"Correct destinations.{name}.to.")


def spoken(refused: Refused) -> str:
    """The refused recipients, each with the server's reason."""
    told = [f"{address} ({code} {_text(why)})" for address, (code, why) in sorted(refused.items())]
    more = f" and {len(told) - 10} more" if len(told) > 10 else ""
    return ", ".join(told[:10]) + more


def one_line(text: str) -> str:
    """Without line breaks and other control characters, which could begin a header of their own."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _text(answer: bytes | str) -> str:
    said = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    return one_line(said)[:200]


LONGEST_SUBJECT = 200


class EmailCourier:
    """Implements ``bot.store.delivery.Courier`` for ``email:<name>``."""

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
