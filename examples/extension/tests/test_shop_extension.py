"""The extension against the bot's contract: no cluster, no Slack, a server on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from aiohttp.test_utils import TestServer
from shop_server import ShopServer

from bot.catalog.service import ServiceEntry
from bot.clouds.commands import EnvironmentSecrets
from bot.clouds.http import HttpClient
from bot.communication.destinations.base import CourierAccess, DestinationKind
from bot.core.clock import SystemClock
from bot.core.errors import WorldMovedError
from bot.engine.contract import check_strategy
from bot.engine.world import World
from bot.incident.external import DESTINATIONS
from bot.store.delivery import Action, Delivery, StatusMessage
from strategies.registry import step_kind, strategy

nothing = cast(Any, None)


@pytest.fixture
def shop() -> ShopServer:
    return ShopServer()


@pytest.fixture
async def url(shop: ShopServer) -> AsyncIterator[str]:
    async with TestServer(shop.app) as server:
        yield str(server.make_url("/")).rstrip("/")


@pytest.fixture
def world() -> World:
    return World(
        cluster=nothing,
        http=HttpClient(),
        aws=nothing,
        commands=nothing,
        secrets=EnvironmentSecrets(),
        clock=SystemClock(),
    )


@pytest.fixture
def service(url: str) -> ServiceEntry:
    way = {"strategy": "http-switch", "url": f"{url}/release"}
    return ServiceEntry.model_validate({"rollback": [way]})


async def test_the_strategy_keeps_the_contract(
    shop: ShopServer, service: ServiceEntry, world: World
) -> None:
    async def live() -> object:
        return tuple(shop.releases)

    async def move() -> None:
        shop.switch("v3.0.0")

    await check_strategy(strategy("http-switch"), service, world, live=live, move=move)
    assert shop.writes == 2  # there and back


async def test_a_release_that_comes_between_looking_and_switching_is_not_overwritten(
    shop: ShopServer, service: ServiceEntry, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = await strategy("http-switch").plan(
        "storefront", service, world, target=None, marked_bad=frozenset(), known_good=()
    )
    request = HttpClient.request

    async def late(self: HttpClient, method: Any, address: str, **more: Any) -> Any:
        if method == "PUT":
            shop.switch("v3.0.0")
        return await request(self, method, address, **more)

    monkeypatch.setattr(HttpClient, "request", late)
    with pytest.raises(WorldMovedError):
        await step_kind("switch-release").act(plan.steps[0], world)
    assert (shop.releases[0], shop.writes) == ("v3.0.0", 0)


async def test_the_destination_gets_plain_text(shop: ShopServer, url: str, world: World) -> None:
    kind: DestinationKind = DESTINATIONS.get("ntfy")
    topics = {"customers": kind.settings.model_validate({"kind": "ntfy", "url": f"{url}/shop"})}
    access = CourierAccess(
        slack=nothing, http=world.http, secrets=world.secrets, clock=world.clock, load=nothing
    )
    now = datetime.now(UTC)
    message = StatusMessage(
        incident="INC-2026-001",
        status="identified",
        title="Trouble with the storefront",
        text="We are going back to the release before.",
        service="storefront",
        severity="Critical",
        impact="critical",
        component_status="major_outage",
        started_at=now,
        at=now,
    )
    delivery = Delivery(
        id="INC-2026-001/identified",
        destination=topics["customers"].address("customers"),
        action=Action.POST,
        payload=message.model_dump(mode="json"),
    )
    receipt = await kind.courier(topics, access).send(delivery, None)
    assert receipt.reference == "HTTP 200"
    assert shop.notifications == [f"{message.title}\n\n{message.text}"]
    found = await kind.check("customers", topics["customers"], "ntfy", world.http, world.secrets)
    assert "can be read" in found.what
