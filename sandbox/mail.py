"""A mail server on loopback that keeps what it is given."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Letter:
    """One mail as it came in."""

    sender: str
    recipients: list[str]
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        """Parsed by the standard library."""
        return BytesParser(EmailMessage, policy=policy.default).parsebytes(self.raw)


@dataclass
class MailServer:
    """SMTP with STARTTLS and LOGIN where they are given; ``refuses`` names bad recipients."""

    tls: ssl.SSLContext | None = None
    login: tuple[str, str] | None = None
    refuses: dict[str, str] = field(default_factory=dict)
    """Recipients and the answer that each gets: ``550 no such user``."""
    data_answers: list[str] = field(default_factory=list)
    """Answers to the next mails instead of taking them; empty: the connection is cut after the
    mail was taken."""
    letters: list[Letter] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    """Recipients and mails that were not taken, with the answer."""
    port: int = 0
    """Where it listens."""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """One recipient."""
        if address in self.refuses:
            self.refusals.append(f"{address}: {self.refuses[address]}")
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """One mail."""
        answer = self.data_answers.pop(0) if self.data_answers else "250 OK"
        if answer.startswith("250") or not answer:
            content = envelope.content
            raw = content if isinstance(content, bytes) else (content or "").encode()
            sender = envelope.mail_from or ""
            self.letters.append(Letter(sender, list(envelope.rcpt_tos), raw))
        else:
            self.refusals.append(f"a mail: {answer}")
        if not answer and isinstance(server.transport, asyncio.WriteTransport):
            server.transport.abort()
        return answer or "250 OK"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    def _protocol(self) -> SMTP:
        return SMTP(
            self,
            hostname="mail.sandbox",
            tls_context=self.tls,
            authenticator=self._authenticate if self.login else None,
            auth_required=self.login is not None,
            auth_require_tls=self.tls is not None,
        )

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        if not isinstance(data, LoginPassword) or self.login is None:
            return AuthResult(success=False, handled=False)
        given = data.login.decode(), data.password.decode()
        # “handled” would mean that we have answered ourselves.
        return AuthResult(success=given == self.login, handled=False)
