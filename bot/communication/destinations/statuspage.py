"""Carries messages to pages of Atlassian Statuspage.

API: https://developer.statuspage.io, version 1. One trouble is one incident there: created by the
first message that arrives, updated by all that follow. The incident's metadata name our delivery,
so that after an unknown outcome the page is read before anything is sent again.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import AnyHttpUrl, Field

from bot.catalog.destination import Destination
from bot.catalog.types import SecretName, ServerUrl
from bot.clouds.outside import Http, HttpAnswer, Method, Secrets
from bot.communication.destinations.base import DestinationKind, OutwardCourier, call, error_of
from bot.core.errors import NotFoundError, OutcomeUnknownError, PermanentError, TemporaryError
from bot.core.findings import Finding, passed
from bot.store.delivery import Delivery, Receipt, StatusMessage

METADATA = "rollback_bot"
LONGEST_NAME = 200
LONGEST_BODY = 25_000
SEARCHED = 20
"""Incidents that are searched for one of ours: an unknown outcome is hours old at most, and a
page's incidents come with every word that was ever said in them."""


class StatuspageDestination(Destination):
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


class StatuspageCourier(OutwardCourier[StatuspageDestination]):
    """Implements ``bot.store.delivery.Courier`` for ``statuspage:<name>``."""

    async def send(self, delivery: Delivery, previous: Receipt | None) -> Receipt:
        """Create the incident, or update the one that an earlier message has created."""
        page = self._page(delivery)
        message = StatusMessage.model_validate(delivery.payload)
        body = {"incident": page.content(message, delivery)}
        if previous is not None:
            try:
                changed = await page.call("PATCH", f"/incidents/{previous.reference}", json=body)
            except NotFoundError:
                # Somebody deleted the incident; customers still need the message.
                pass
            else:
                return _receipt(changed)
        return _receipt(await page.call("POST", "/incidents", json=body))

    async def find(self, delivery: Delivery) -> Receipt | None:
        """The incident whose metadata name this delivery.

        A resolved incident is not among the unresolved ones, so the newest of all are read too.
        """
        page = self._page(delivery)
        status = StatusMessage.model_validate(delivery.payload).status
        paths = ["/incidents/unresolved"]
        if status == "resolved":
            paths.append(f"/incidents?limit={SEARCHED}&page=1")
        for path in paths:
            for incident in await page.list(path):
                marks = (incident.get("metadata") or {}).get(METADATA) or {}
                if marks.get("delivery") == delivery.id:
                    return _receipt(incident)
        return None

    def _page(self, delivery: Delivery) -> _Page:
        name, entry = self.entry_of(delivery)
        return _Page(name, entry, self.http, self.secrets.read(entry.api_key))


async def _check(
    name: str, entry: StatuspageDestination, subject: str, http: Http, secrets: Secrets
) -> Finding:
    """Read what the courier reads, and whether the page has the catalog's components."""
    page = _Page(name, entry, http, secrets.read(entry.api_key))
    await page.list("/incidents/unresolved")
    known = (
        {str(one.get("id")) for one in await page.list("/components")} if entry.components else ()
    )
    missing = [one for one in entry.components if one not in known]
    if missing:
        raise PermanentError(
            f"Page {entry.page_id} has no component {', '.join(missing)}.",
            f"Correct destinations.{name}.components: Statuspage refuses every message with them.",
        )
    return passed(subject, f"The incidents of page {entry.page_id} can be read. Nothing was sent.")


STATUSPAGE = DestinationKind(
    name="statuspage",
    settings=StatuspageDestination,
    noun="status page",
    courier=lambda pages, access: StatuspageCourier(
        pages, http=access.http, secrets=access.secrets
    ),
    check=_check,
)


class _Page:
    """One page, and the key to it."""

    def __init__(self, name: str, entry: StatuspageDestination, http: Http, key: str) -> None:
        self._name = name
        self._entry = entry
        self._http = http
        self._headers = {"Authorization": f"OAuth {key}", "Accept": "application/json"}

    def content(self, message: StatusMessage, delivery: Delivery) -> dict[str, Any]:
        """The incident as it is to be after this message."""
        components = self._entry.components
        marks = {"incident": message.incident, "delivery": delivery.id}
        content: dict[str, Any] = {
            "name": message.title[:LONGEST_NAME],
            "status": message.status,
            "impact_override": message.impact,
            "body": message.text[:LONGEST_BODY],
            "deliver_notifications": self._entry.notify,
            "metadata": {METADATA: marks},
        }
        if components:
            content["component_ids"] = list(components)
            content["components"] = dict.fromkeys(components, message.component_status)
        return content

    async def call(self, method: Method, path: str, **options: Any) -> Any:
        """One call; returns the parsed answer.

        Raises ForbiddenError, NotFoundError, TemporaryError, OutcomeUnknownError, PermanentError.
        """
        subject = f"Statuspage “{self._name}”"
        base = str(self._entry.url).rstrip("/")
        url = f"{base}/pages/{self._entry.page_id}{path}"
        answer = await call(
            self._http, method, url, subject=subject, headers=self._headers, **options
        )
        if answer.status >= 300:
            raise error_of(
                answer, subject=subject, said=_answer_text(answer), remedies=self._remedies
            )
        try:
            return json.loads(answer.text)
        except ValueError:
            raise OutcomeUnknownError(f"{subject} did not answer with JSON.") from None

    async def list(self, path: str) -> list[dict[str, Any]]:
        """Incidents; raises TemporaryError where ``call`` would not know an outcome."""
        try:
            found = await self.call("GET", path)
        except OutcomeUnknownError as error:
            raise TemporaryError(error.what) from error
        return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []

    @property
    def _remedies(self) -> dict[int, str]:
        key, page = self._entry.api_key, self._entry.page_id
        ours = f"destinations.{self._name}"
        return {
            401: f"Put a valid API key of a user of the page into {key} and start the bot anew.",
            403: f"Give the user of {key} the right to manage incidents of page {page}.",
            404: f"Correct page_id in {ours}: the key does not see a page {page}.",
            422: f"Check the ids under {ours}.components; tell customers by hand meanwhile.",
        }


def _answer_text(answer: HttpAnswer) -> str:
    """``error`` of the answer: a sentence, or a list of them."""
    try:
        body = json.loads(answer.text)
    except ValueError:
        return ""
    error = body.get("error") if isinstance(body, dict) else None
    told = error if isinstance(error, list) else [error]
    return "; ".join(" ".join(str(item).split())[:200] for item in told[:5] if item)


def _receipt(incident: Any) -> Receipt:
    if not isinstance(incident, dict) or not incident.get("id"):
        raise OutcomeUnknownError("Statuspage answered without an incident's id.")
    return Receipt(reference=str(incident["id"]))
