"""Logs, proxied requests and evictions: what the server does with running pods."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from sandbox.cluster.base.resources import ENDPOINT_SLICES, PDBS
from sandbox.cluster.base.resources import PODS as POD_RESOURCE
from sandbox.cluster.base.runtime import LogLine
from tests.sandbox.cluster_api_support import ADMIN, PODS, SERVICES, Api, pod, running_api


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with running_api() as running:
        yield running


@pytest.fixture
async def uid(api: Api) -> str:
    """A pod on a node."""
    obj = pod("a", app="shop")
    obj["spec"]["nodeName"] = "node-1"
    created: str = (await api.create(PODS, obj))["metadata"]["uid"]
    return created


def write(api: Api, uid: str, text: str, *, seconds_ago: int = 0) -> None:
    moment = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    api.registry.append_log(uid, "app", LogLine(time=moment, text=text))


async def log(api: Api, **query: str | int) -> str:
    text = {key: str(value) for key, value in query.items()}
    written: str = (await api("GET", f"{PODS}/a/log", **text)).ok()
    return written


# --- logs -----------------------------------------------------------------------------------


async def test_a_log_can_be_cut_by_lines_time_and_bytes(api: Api, uid: str) -> None:
    for number in range(4):
        write(api, uid, f"line {number}", seconds_ago=100 - 30 * number)

    assert await log(api) == "line 0\nline 1\nline 2\nline 3\n"
    assert await log(api, tailLines=2, container="app") == "line 2\nline 3\n"
    assert await log(api, tailLines=0) == ""
    assert await log(api, sinceSeconds=50) == "line 2\nline 3\n"
    assert await log(api, limitBytes=9) == "line 0\nli"
    assert (await log(api, timestamps="true", tailLines=1)).endswith("Z line 3\n")


async def test_the_log_of_the_crash_before_is_kept(api: Api, uid: str) -> None:
    api.registry.start_container(uid, "app")
    write(api, uid, "panic!")
    api.registry.start_container(uid, "app")
    write(api, uid, "again")

    assert await log(api, previous="true") == "panic!\n"
    assert await log(api) == "again\n"


async def test_a_followed_log_goes_on_until_the_container_ends(api: Api, uid: str) -> None:
    write(api, uid, "old")
    async with api.session.get(
        f"{api.server.url}{PODS}/a/log",
        params={"follow": "true"},
        headers={"Authorization": f"Bearer {ADMIN}"},
    ) as response:
        async with asyncio.timeout(5):
            assert await response.content.readline() == b"old\n"
            write(api, uid, "new")
            assert await response.content.readline() == b"new\n"
            api.registry.end_container(uid, "app")
            assert await response.content.read() == b""


async def test_a_log_that_cannot_be_is_explained(api: Api, uid: str) -> None:
    waiting = await api("GET", f"{PODS}/a/log")
    assert (waiting.status, waiting.body["message"]) == (
        400,
        'container "app" in pod "a" is waiting to start: ContainerCreating',
    )
    write(api, uid, "x")
    never = await api("GET", f"{PODS}/a/log", previous="true")
    assert never.body["message"] == 'previous terminated container "app" in pod "a" not found'
    other = await api("GET", f"{PODS}/a/log", container="b")
    assert other.body["message"] == "container b is not valid for pod a"
    assert (await api("GET", f"{PODS}/missing/log")).status == 404


# --- proxy ----------------------------------------------------------------------------------


@pytest.fixture
async def backend(api: Api, uid: str) -> AsyncIterator[None]:
    """The pod's program: it answers with what it was asked."""

    async def echo(request: web.Request) -> web.Response:
        body = await request.text()
        text = f"{request.method} {request.path_qs} {body}"
        return web.Response(status=203, text=text, headers={"X-Version": "2.0.0"})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", echo)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.registry.register_address(uid, 8080, "127.0.0.1", runner.addresses[0][1])
    yield
    await runner.cleanup()


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("name", ["a", "a:8080", "http:a:8080"])
async def test_a_request_reaches_the_pod(api: Api, name: str) -> None:
    answer = await api("POST", f"{PODS}/{name}/proxy/orders/1", b"hi", q="x y")

    assert (answer.status, answer.body) == (203, "POST /orders/1?q=x+y hi")
    assert answer.headers["X-Version"] == "2.0.0"


@pytest.mark.usefixtures("backend")
async def test_a_request_reaches_a_ready_pod_behind_the_service(api: Api, uid: str) -> None:
    spec = {"selector": {"app": "shop"}, "ports": [{"name": "http", "port": 80}]}
    await api.create(SERVICES, {"metadata": {"name": "shop"}, "spec": spec})
    path = f"{SERVICES}/shop:http/proxy/version"
    nobody = await api("GET", path)
    assert (nobody.status, nobody.body["message"]) == (
        503,
        'no endpoints available for service "shop"',
    )
    api.store.create(
        ENDPOINT_SLICES,
        {
            "metadata": {
                "name": "shop-1",
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": "shop"},
            },
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080}],
            "endpoints": [
                {
                    "addresses": ["10.0.0.1"],
                    "conditions": {"ready": True},
                    "targetRef": {"kind": "Pod", "name": "a", "uid": uid},
                }
            ],
        },
    )

    assert (await api("GET", path)).body == "GET /version "


async def test_a_pod_that_does_not_listen_refuses(api: Api, uid: str) -> None:
    assert uid
    refused = await api("GET", f"{PODS}/a:8080/proxy/")

    assert refused.status == 503
    assert "connection refused" in refused.body["message"]


# --- eviction -------------------------------------------------------------------------------


def budget(api: Api, allowed: int) -> None:
    obj = {
        "metadata": {"name": "shop", "namespace": "default"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "shop"}}},
    }
    created = api.store.create(PDBS, obj)
    created["status"] = {
        "observedGeneration": 1,
        "disruptionsAllowed": allowed,
        "desiredHealthy": 1,
        "currentHealthy": 1 + allowed,
    }
    api.store.update(PDBS, created, subresource="status")


def become_ready(api: Api) -> None:
    def ready(obj: dict[str, object]) -> None:
        obj["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}

    api.store.mutate(POD_RESOURCE, "default", "a", ready, subresource="status")


async def test_an_eviction_that_the_budget_forbids_may_be_tried_later(api: Api, uid: str) -> None:
    assert uid
    become_ready(api)
    budget(api, allowed=0)
    refused = await api("POST", f"{PODS}/a/eviction", {"metadata": {"name": "a"}})

    assert (refused.status, refused.body["reason"]) == (429, "TooManyRequests")
    assert refused.body["message"] == (
        "Cannot evict pod as it would violate the pod's disruption budget."
    )
    assert refused.body["details"]["causes"][0]["message"] == (
        "The disruption budget shop needs 1 healthy pods and has 1 currently"
    )


async def test_an_eviction_uses_up_the_budget(api: Api, uid: str) -> None:
    assert uid
    become_ready(api)
    budget(api, allowed=1)
    assert (await api("POST", f"{PODS}/a/eviction", {"metadata": {"name": "a"}})).status == 201

    assert "deletionTimestamp" in (await api("GET", f"{PODS}/a")).ok()["metadata"]
    assert api.store.get(PDBS, "default", "shop")["status"]["disruptionsAllowed"] == 0
