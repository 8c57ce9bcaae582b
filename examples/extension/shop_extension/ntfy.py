"""ntfy: customers' messages as push notifications, each one POST of plain text to a topic."""

from __future__ import annotations

from typing import Any, Literal

from bot.catalog.destination import Destination
from bot.catalog.types import SecretName, ServerUrl
from bot.clouds.outside import Http, HttpAnswer, Method, Secrets
from bot.communication.destinations.base import DestinationKind, OutwardCourier, call, error_of
from bot.core.findings import Finding, passed
from bot.store.delivery import Delivery, Receipt, StatusMessage


class NtfyDestination(Destination):
    """A topic of an ntfy server."""

    kind: Literal["ntfy"]
    url: ServerUrl
    """Server and topic: ``https://ntfy.example.com/shop``."""
    token: SecretName | None = None
    """Sent as ``Authorization: Bearer …``."""


class NtfyCourier(OutwardCourier[NtfyDestination]):
    """Implements ``bot.store.delivery.Courier`` for ``ntfy:<name>``."""

    async def send(self, delivery: Delivery, previous: Receipt | None) -> Receipt:
        """POST; any 2xx is an arrival. Raises by the status."""
        name, _ = self.entry_of(delivery)
        message = StatusMessage.model_validate(delivery.payload)
        body = f"{message.title}\n\n{message.text}".encode()
        answer = await self.ask(name, "POST", "", body=body)
        return Receipt(reference=f"HTTP {answer.status}")

    async def find(self, delivery: Delivery) -> Receipt | None:
        """Nobody can tell; a notification that comes twice is better than none."""
        return None

    async def ask(self, name: str, method: Method, path: str, **more: Any) -> HttpAnswer:
        """A successful answer for the topic of this name. Raises by the status."""
        entry, subject = self.destinations[name], f"ntfy “{name}”"
        token = {"Authorization": f"Bearer {self.secrets.read(entry.token)}"} if entry.token else {}
        url = str(entry.url).rstrip("/") + path
        answer = await call(self.http, method, url, subject=subject, headers=token, **more)
        if answer.status >= 300:
            remedies = dict.fromkeys((401, 403, 404), f"Correct destinations.{name}.")
            raise error_of(answer, subject=subject, said="", remedies=remedies)
        return answer


async def _check(
    name: str, entry: NtfyDestination, subject: str, http: Http, secrets: Secrets
) -> Finding:
    await NtfyCourier({name: entry}, http=http, secrets=secrets).ask(name, "GET", "/json?poll=1")
    return passed(subject, "Its topic can be read. Nothing was sent.")


NTFY = DestinationKind(
    name="ntfy",
    settings=NtfyDestination,
    noun="ntfy topic",
    courier=lambda topics, access: NtfyCourier(topics, http=access.http, secrets=access.secrets),
    check=_check,
)
