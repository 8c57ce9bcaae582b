"""Carries messages to a webhook of anybody's making: one POST of JSON each.

The shape is published in docs/destinations.md. A repeated POST carries the same
``Idempotency-Key``: a webhook cannot be asked whether it took the first one.
"""

from __future__ import annotations

import hashlib
import hmac
import json

from bot.adapters.outward import OutwardCourier, call, error_of
from bot.config.destinations import WebhookDestination
from bot.ports.deliveries import Delivery, Receipt, StatusMessage

VERSION = 1
SIGNATURE = "X-Rollback-Bot-Signature-256"


class WebhookCourier(OutwardCourier[WebhookDestination]):
    """Implements ``bot.ports.deliveries.Courier`` for ``webhook:<name>``."""

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
