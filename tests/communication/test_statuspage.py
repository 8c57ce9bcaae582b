"""A status page gets one incident for one trouble, whatever goes wrong on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.clouds.http import HttpClient
from bot.communication.destinations.statuspage import StatuspageCourier, StatuspageDestination
from bot.core.errors import (
    ConfigurationError,
    ForbiddenError,
    NotFoundError,
    OutcomeUnknownError,
    PermanentError,
    TemporaryError,
)
from bot.store.delivery import Action, Delivery, Receipt, StatusMessage
from sandbox.statuspage.server import Fault, StatuspageServer

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
COMPONENT = "8kbf7d35c070"


class Keys:
    """The environment."""

    def __init__(self, **values: str) -> None:
        self._values = values

    def read(self, name: str) -> str:
        """A variable."""
        if name not in self._values:
            raise ConfigurationError(f"The environment variable {name} is not set.")
        return self._values[name]


@pytest.fixture
async def statuspage() -> AsyncIterator[StatuspageServer]:
    async with StatuspageServer() as server:
        yield server


def courier(
    server: StatuspageServer, key: str = "sandbox-key", **changes: Any
) -> StatuspageCourier:
    given = {
        "kind": "statuspage",
        "url": server.url,
        "page_id": server.page.id,
        "components": [COMPONENT],
        "api_key": "STATUSPAGE_KEY",
        **changes,
    }
    entry, keys = StatuspageDestination.model_validate(given), Keys(STATUSPAGE_KEY=key)
    return StatuspageCourier({"public": entry}, http=HttpClient(), secrets=keys)


def message(status: Any = "investigating", text: str = "We are looking into it.") -> Delivery:
    over = status == "resolved"
    payload = StatusMessage(
        incident="INC-2026-001",
        status=status,
        title="Errors in Checkout",
        text=text,
        service="Checkout",
        severity="Critical",
        impact="critical",
        component_status="operational" if over else "partial_outage",
        started_at=NOON,
        at=NOON,
    )
    return Delivery(
        id=f"INC-2026-001/4/{status}/statuspage:public",
        incident_id="INC-2026-001",
        destination="statuspage:public",
        action=Action.POST,
        payload=payload.model_dump(mode="json"),
        series="outside-1",
        told=status,
    )


async def test_one_incident_goes_through_all_its_states(statuspage: StatuspageServer) -> None:
    carrier, previous = courier(statuspage), None
    for status in ("investigating", "identified", "monitoring"):
        previous = await carrier.send(message(status), previous)
        assert statuspage.page.components[COMPONENT] == "partial_outage"
    await carrier.send(message("resolved"), previous)
    told = ["investigating", "identified", "monitoring", "resolved"]
    assert [updates for _, updates in statuspage.page.said()] == [told]
    assert statuspage.page.components[COMPONENT] == "operational"
    (incident,) = statuspage.page.incidents.values()
    assert (incident["name"], incident["impact"]) == ("Errors in Checkout", "critical")


async def test_subscribers_are_left_alone_where_the_catalog_says_so(
    statuspage: StatuspageServer,
) -> None:
    await courier(statuspage, notify=False).send(message(), None)
    assert statuspage.page.notified == 0


@pytest.mark.parametrize("status", ["investigating", "resolved"])
async def test_an_incident_whose_answer_was_lost_is_found(
    statuspage: StatuspageServer, status: str
) -> None:
    statuspage.faults.append(Fault(status=502, takes_effect=True))
    carrier = courier(statuspage)
    with pytest.raises(OutcomeUnknownError):
        await carrier.send(message(status), None)
    found = await carrier.find(message(status))
    assert found == Receipt(reference="inc000000001")


async def test_a_resolution_is_found_again_on_a_page_with_a_long_past(
    statuspage: StatuspageServer,
) -> None:
    long_ago = {"name": "Long ago", "status": "resolved", "body": "word " * 4_900}
    for _ in range(200):
        statuspage.page.create(long_ago)
    statuspage.faults.append(Fault(status=502, takes_effect=True))
    carrier = courier(statuspage)
    with pytest.raises(OutcomeUnknownError):
        await carrier.send(message("resolved"), None)
    assert await carrier.find(message("resolved")) == Receipt(reference="inc000000201")


async def test_an_update_that_never_arrived_is_not_taken_for_an_earlier_one(
    statuspage: StatuspageServer,
) -> None:
    carrier = courier(statuspage)
    created = await carrier.send(message(), None)
    assert await carrier.find(message("identified")) is None
    statuspage.faults.append(Fault(status=500, takes_effect=True, method="PATCH"))
    with pytest.raises(OutcomeUnknownError):
        await carrier.send(message("identified"), created)
    assert await carrier.find(message("identified")) == created


async def test_while_the_page_cannot_say_whether_it_took_it_nothing_is_known(
    statuspage: StatuspageServer,
) -> None:
    statuspage.faults.append(Fault(status=500))
    with pytest.raises(TemporaryError) as caught:
        await courier(statuspage).find(message())
    assert not isinstance(caught.value, OutcomeUnknownError)


async def test_an_incident_that_somebody_deleted_is_opened_again(
    statuspage: StatuspageServer,
) -> None:
    receipt = await courier(statuspage).send(message("monitoring"), Receipt(reference="gone"))
    assert statuspage.page.said() == [(receipt.reference, ["monitoring"])]


@pytest.mark.parametrize("status", [420, 429])
async def test_the_wait_that_the_page_asks_for_is_kept(
    statuspage: StatuspageServer, status: int
) -> None:
    statuspage.faults.append(Fault(status=status, error="Slow down", retry_after=42))
    with pytest.raises(TemporaryError, match="Slow down") as caught:
        await courier(statuspage).send(message(), None)
    assert caught.value.retry_after == 42


async def test_a_wrong_key_is_named_by_its_variable_and_never_shown(
    statuspage: StatuspageServer,
) -> None:
    with pytest.raises(ForbiddenError, match="Could not authenticate") as caught:
        await courier(statuspage, key="s3cret-value").send(message(), None)
    assert "STATUSPAGE_KEY" in caught.value.remedy
    assert "s3cret" not in str(caught.value)


async def test_a_key_without_rights_and_a_wrong_page_say_what_to_mend(
    statuspage: StatuspageServer,
) -> None:
    statuspage.faults.append(Fault(status=403, error="Not allowed"))
    with pytest.raises(ForbiddenError, match="right to manage incidents"):
        await courier(statuspage).send(message(), None)
    with pytest.raises(NotFoundError, match="Correct page_id in"):
        await courier(statuspage, page_id="elsewhere").send(message(), None)


async def test_a_component_that_the_page_does_not_have_is_named(
    statuspage: StatuspageServer,
) -> None:
    with pytest.raises(PermanentError, match="Component ids are not valid: nosuch") as caught:
        await courier(statuspage, components=["nosuch"]).send(message(), None)
    assert "destinations.public.components" in caught.value.remedy


async def test_a_page_that_is_down_is_tried_again(statuspage: StatuspageServer) -> None:
    carrier = courier(statuspage, url="http://127.0.0.1:9/v1")
    with pytest.raises(TemporaryError, match="“public” cannot be reached") as caught:
        await carrier.send(message(), None)
    assert not isinstance(caught.value, OutcomeUnknownError)


async def test_a_destination_that_left_the_catalog_says_so(statuspage: StatuspageServer) -> None:
    gone = message().model_copy(update={"destination": "statuspage:old"})
    with pytest.raises(PermanentError, match="no destination “old” any more"):
        await courier(statuspage).send(gone, None)
