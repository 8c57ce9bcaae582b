"""The destination ``plain-text``: every message for customers as one POST of plain text."""

from __future__ import annotations

from typing import Literal

from pydantic import AnyHttpUrl

from bot.catalog.destination import Destination
from bot.clouds.outside import Http, Secrets
from bot.communication.destinations.base import DestinationKind, OutwardCourier, call, error_of
from bot.core.findings import Finding, warned
from bot.store.delivery import Delivery, Receipt, StatusMessage


class PlainTextDestination(Destination):
    """An address that takes text, such as the wall in our office."""

    kind: Literal["plain-text"]
    url: AnyHttpUrl
    """Gets every message as the body of a POST."""


class PlainTextCourier(OutwardCourier[PlainTextDestination]):
    """Carries to ``plain-text:<name>``."""

    async def send(self, delivery: Delivery, previous: Receipt | None) -> Receipt:
        """POST; any 2xx is an arrival. Raises what the answer says, and TemporaryError for none."""
        name, entry = self.entry_of(delivery)
        message = StatusMessage.model_validate(delivery.payload)
        answer = await call(
            self.http,
            "POST",
            str(entry.url),
            subject=name,
            headers={"Content-Type": "text/plain; charset=utf-8", "Idempotency-Key": delivery.id},
            body=f"{message.title}\n\n{message.text}".encode(),
        )
        if answer.status >= 300:
            raise error_of(answer, subject=name, said="", remedies={404: f"Correct {name}.url."})
        return Receipt(reference=f"HTTP {answer.status}")

    async def find(self, delivery: Delivery) -> Receipt | None:
        """Nobody can tell: the key of the repeated POST lets the receiver."""
        return None


async def _check(
    name: str, entry: PlainTextDestination, subject: str, http: Http, secrets: Secrets
) -> Finding:
    return warned(subject, f"{entry.url} can only be tried with a message.")


PLAIN_TEXT = DestinationKind(
    name="plain-text",
    settings=PlainTextDestination,
    noun="wall",
    courier=lambda found, access: PlainTextCourier(found, http=access.http, secrets=access.secrets),
    check=_check,
)
