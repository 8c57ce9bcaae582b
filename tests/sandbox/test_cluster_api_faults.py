"""Everything that goes wrong between a client and the server can be made to happen."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientError, ClientPayloadError, ServerDisconnectedError

from tests.sandbox.cluster_api_support import ADMIN, CONFIGMAPS, Api, configmap, running_api


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with running_api() as running:
        yield running


@pytest.mark.parametrize(
    ("status", "reason"),
    [(500, "InternalError"), (503, "ServiceUnavailable"), (504, "Timeout")],
)
async def test_the_server_fails_as_often_as_it_is_told(api: Api, status: int, reason: str) -> None:
    api.server.faults.answer(status, times=2, verb="list", resource="configmaps")
    answers = [await api("GET", CONFIGMAPS) for _ in range(3)]

    assert [each.status for each in answers] == [status, status, 200]
    assert answers[0].body["reason"] == reason


async def test_a_busy_server_says_when_to_come_back(api: Api) -> None:
    api.server.faults.answer(429, retry_after_seconds=3, name="a")
    await api.create(CONFIGMAPS, configmap("a"))
    busy = await api("GET", f"{CONFIGMAPS}/a")

    assert (busy.status, busy.headers["Retry-After"]) == (429, "3")
    assert busy.body["details"]["retryAfterSeconds"] == 3


async def test_an_answer_can_fail_after_the_effect(api: Api) -> None:
    api.server.faults.answer(500, verb="create", after_effect=True)
    assert (await api("POST", CONFIGMAPS, configmap("a"))).status == 500
    assert (await api("GET", f"{CONFIGMAPS}/a")).status == 200

    api.server.faults.disconnect(verb="create", after_effect=True)
    with pytest.raises((ServerDisconnectedError, ConnectionResetError, ClientError)):
        await api("POST", CONFIGMAPS, configmap("b"))
    assert (await api("GET", f"{CONFIGMAPS}/b")).status == 200


async def test_a_hanging_request_hangs_until_the_client_gives_up(api: Api) -> None:
    api.server.faults.hang(verb="get")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await api("GET", f"{CONFIGMAPS}/a")

    assert (await api("GET", f"{CONFIGMAPS}/a")).status == 404


async def test_a_slow_answer_comes_all_the_same(api: Api) -> None:
    api.server.faults.delay(0.2, verb="list")
    loop = asyncio.get_running_loop()
    began = loop.time()

    assert (await api("GET", CONFIGMAPS)).status == 200
    assert loop.time() - began >= 0.2


async def test_open_watches_can_be_cut(api: Api) -> None:
    async with api.session.get(
        api.server.url + CONFIGMAPS,
        params={"watch": "1"},
        headers={"Authorization": f"Bearer {ADMIN}"},
    ) as response:
        assert api.server.faults.drop_watches() == 1
        with pytest.raises(ClientPayloadError):
            await response.content.read()


async def test_a_restarted_server_is_where_it_was(api: Api) -> None:
    await api.create(CONFIGMAPS, configmap("a"))
    address = api.server.url
    await api.server.stop()
    with pytest.raises(ClientError):
        await api("GET", CONFIGMAPS)
    await api.server.start()

    assert api.server.url == address
    assert (await api("GET", f"{CONFIGMAPS}/a")).status == 200
