"""Who is told beside the incident's channel: status pages, webhooks, mailboxes, more channels."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, AnyHttpUrl, Field, model_validator

from bot.config.addresses import ServerUrl
from bot.config.references import ChannelRef
from bot.config.secrets import SecretName
from bot.domain.assessment import Severity
from bot.domain.values import Value

_ADDRESS = re.compile(r"[^@\s<>,;:\"]+@[^@\s<>,;:\"]+")
_EVERY = frozenset(Severity)


def _address(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        raise ValueError(f"“{value}” is not an e-mail address such as status@example.com")
    return value


Address = Annotated[str, AfterValidator(_address)]
"""A mailbox: ``status@example.com``."""


class Audience(StrEnum):
    """Who reads what is sent there."""

    CUSTOMERS = "customers"
    """Plain words without internals; a person may hold them for approval."""
    STAKEHOLDERS = "stakeholders"
    """The company's own people: releases, figures, next actions. Never waits for a person."""


class _Destination(Value):
    """What all destinations have in common."""

    severities: frozenset[Severity] = _EVERY
    """Only incidents of these severities are told here."""
    services: tuple[str, ...] = ()
    """Only incidents of these services; empty for all of them."""


class SlackDestination(_Destination):
    """One more channel that gets what the stakeholders' channels get."""

    kind: Literal["slack"]
    channel: ChannelRef
    """The channel's id or name."""


class StatuspageDestination(_Destination):
    """A page of Atlassian Statuspage."""

    kind: Literal["statuspage"]
    url: ServerUrl = AnyHttpUrl("https://api.statuspage.io/v1")
    """The API's address."""
    page_id: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    """The page's id, from its address in Statuspage's management."""
    components: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")], ...] = ()
    """Ids of the components that are shown as affected while the incident lasts."""
    api_key: SecretName
    """Sent as ``Authorization: OAuth …``."""
    notify: bool = True
    """Whether the page's subscribers are notified of every message."""


class WebhookDestination(_Destination):
    """Anything that takes a POST of JSON; docs/destinations.md has the shape."""

    kind: Literal["webhook"]
    url: AnyHttpUrl
    """Gets every message as a POST with JSON."""
    token: SecretName | None = None
    """Sent as ``Authorization: Bearer …``."""
    signing_secret: SecretName | None = None
    """Key of the HMAC-SHA256 over the body."""


class EmailDestination(_Destination):
    """A mail server, and who gets mail through it."""

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
    sender: Address = Field(alias="from")
    """The address in From."""
    to: tuple[Address, ...] = Field(min_length=1)
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


Destination = Annotated[
    SlackDestination | StatuspageDestination | WebhookDestination | EmailDestination,
    Field(discriminator="kind"),
]
"""One destination; ``kind`` tells which."""


def address(name: str, destination: Destination) -> str:
    """The destination of its deliveries: ``statuspage:<name>``, ``slack:<channel>``."""
    if isinstance(destination, SlackDestination):
        return f"slack:{destination.channel}"
    return f"{destination.kind}:{name}"


def serves_customers(destination: Destination) -> bool:
    """Whether customers read it."""
    if isinstance(destination, EmailDestination):
        return destination.audience is Audience.CUSTOMERS
    return isinstance(destination, StatuspageDestination | WebhookDestination)
