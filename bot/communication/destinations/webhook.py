"""Carries messages to a webhook of anybody's making: one POST of JSON each.

The shape is published in docs/destinations.md. A repeated POST carries the same
``Idempotency-Key``: a webhook cannot be asked whether it took the first one.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import socket
import ssl
from typing import Literal

from pydantic import AnyHttpUrl

from bot.catalog.destination import Destination
from bot.catalog.types import SecretName
from bot.clouds.outside import Http, Secrets
from bot.communication.destinations.base import DestinationKind, OutwardCourier, call, error_of
from bot.core.errors import PermanentError, TemporaryError
from bot.core.findings import Finding, passed
from bot.store.delivery import Delivery, Receipt, StatusMessage

VERSION = 1
SIGNATURE = "X-Rollback-Bot-Signature-256"
_CONNECT_SECONDS = 10.0


class WebhookDestination(Destination):
    """Anything that takes a POST of JSON; docs/destinations.md has the shape."""

    kind: Literal["webhook"]
    url: AnyHttpUrl
    """Gets every message as a POST with JSON."""
    token: SecretName | None = None
    """Sent as ``Authorization: Bearer …``."""
    signing_secret: SecretName | None = None
    """Key of the HMAC-SHA256 over the body."""


class WebhookCourier(OutwardCourier[WebhookDestination]):
    """Implements ``bot.store.delivery.Courier`` for ``webhook:<name>``."""

    async def send(self, delivery: Delivery, previous: Receipt | None) -> Receipt:
        """POST; any 2xx is an arrival."""
        name, entry = self.entry_of(delivery)
        subject = f"Webhook “{name}”"
        body = _body(delivery)
        answer = await call(
            self.http,
            "POST",
            str(entry.url),
            subject=subject,
            headers=self._headers(entry, delivery, body),
            body=body,
        )
        if answer.status >= 300:
            raise error_of(answer, subject=subject, said="", remedies=_remedies(name, entry))
        return Receipt(reference=f"HTTP {answer.status}")

    async def find(self, delivery: Delivery) -> Receipt | None:
        """Nobody can tell; the key of the repeated POST lets the receiver."""
        return None

    def _headers(
        self, entry: WebhookDestination, delivery: Delivery, body: bytes
    ) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Idempotency-Key": delivery.id}
        if entry.token is not None:
            headers["Authorization"] = f"Bearer {self.secrets.read(entry.token)}"
        if entry.signing_secret is not None:
            key = self.secrets.read(entry.signing_secret).encode()
            headers[SIGNATURE] = f"sha256={hmac.new(key, body, hashlib.sha256).hexdigest()}"
        return headers


def _body(delivery: Delivery) -> bytes:
    message = StatusMessage.model_validate(delivery.payload)
    content = {"version": VERSION, "id": delivery.id, **message.model_dump(mode="json")}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _remedies(name: str, entry: WebhookDestination) -> dict[int, str]:
    place = f"destinations.{name}.url"
    token = f"Correct the token in {entry.token}." if entry.token else "Give the webhook a token."
    moved = f"Put the address that it redirects to into {place}."
    return {
        **dict.fromkeys((301, 302, 303, 307, 308), moved),
        400: "Compare the receiver with the shape in docs/destinations.md.",
        401: token,
        403: token,
        404: f"Correct {place}.",
        410: f"Correct {place}.",
        422: "Compare the receiver with the shape in docs/destinations.md.",
    }


async def _check(
    name: str, hook: WebhookDestination, subject: str, _: Http, secrets: Secrets
) -> Finding:
    for secret in (hook.token, hook.signing_secret):
        if secret is not None:
            secrets.read(secret)
    host, port = (hook.url.host or "").strip("[]"), hook.url.port or 443
    await _connect(host, port, f"Webhook “{name}”", is_secure=hook.url.scheme == "https")
    return passed(
        subject,
        f"{host}:{port} takes connections. Nothing was sent, so whether it takes messages is "
        "not known.",
    )


async def _connect(host: str, port: int, what: str, *, is_secure: bool) -> None:
    """A connection, with TLS where the address says so, and nothing on it."""
    context = ssl.create_default_context() if is_secure else None
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except socket.gaierror:
        raise PermanentError(f"{what}: there is no host {host}.", "Correct its url.") from None
    except ssl.SSLCertVerificationError as error:
        raise PermanentError(
            f"{what}: its certificate is not trusted ({error.verify_message}).",
            "Name your own certificate authority with SSL_CERT_FILE.",
        ) from None
    except (OSError, TimeoutError) as error:
        raise TemporaryError(
            f"{what}: {host}:{port} cannot be reached ({type(error).__name__}).",
            "Look whether it is up, and whether a firewall stands between.",
        ) from None
    writer.close()


WEBHOOK = DestinationKind(
    name="webhook",
    settings=WebhookDestination,
    noun="webhook",
    courier=lambda hooks, access: WebhookCourier(hooks, http=access.http, secrets=access.secrets),
    check=_check,
)
