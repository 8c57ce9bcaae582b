"""Lists and watches: what a client that follows the cluster sees."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientResponse

from tests.sandbox.cluster_api_support import (
    ADMIN,
    CONFIGMAPS,
    MERGE_PATCH,
    PODS,
    Api,
    configmap,
    pod,
    running_api,
)


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with running_api() as running:
        yield running


def names(listed: dict[str, Any]) -> list[str]:
    return [each["metadata"]["name"] for each in listed["items"]]


@asynccontextmanager
async def watching(api: Api, path: str, **query: str | int) -> AsyncIterator[ClientResponse]:
    async with api.session.get(
        api.server.url + path,
        params={"watch": "true", **query},
        headers={"Authorization": f"Bearer {ADMIN}"},
    ) as response:
        assert response.status == 200
        yield response


async def next_event(stream: ClientResponse) -> tuple[str, Any]:
    async with asyncio.timeout(5):
        event = json.loads(await stream.content.readline())
    return event["type"], event["object"]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("tier=front", ["a", "b"]),
        ("tier==front,track!=canary", ["a"]),
        ("track in (stable, canary)", ["a", "b"]),
        ("track notin (canary)", ["a", "c"]),
        ("track", ["a", "b"]),
        ("!track", ["c"]),
        ("", ["a", "b", "c"]),
    ],
)
async def test_labels_select(api: Api, selector: str, expected: list[str]) -> None:
    await api.create(CONFIGMAPS, configmap("a", tier="front", track="stable"))
    await api.create(CONFIGMAPS, configmap("b", tier="front", track="canary"))
    await api.create(CONFIGMAPS, configmap("c", tier="back"))

    assert names((await api("GET", CONFIGMAPS, labelSelector=selector)).ok()) == expected


async def test_fields_select_where_the_server_indexes_them(api: Api) -> None:
    bound = pod("b")
    bound["spec"]["nodeName"] = "node-1"
    await api.create(PODS, pod("a"))
    await api.create(PODS, bound)

    async def found(selector: str) -> list[str]:
        return names((await api("GET", PODS, fieldSelector=selector)).ok())

    assert await found("metadata.name=a") == ["a"]
    assert await found("spec.nodeName=node-1,status.phase=Pending") == ["b"]
    assert await found("spec.nodeName!=node-1") == ["a"]
    refused = await api("GET", PODS, fieldSelector="spec.containers=x")
    assert (refused.status, refused.body["message"]) == (
        400,
        "field label not supported: spec.containers",
    )


async def test_a_selector_that_cannot_be_read_is_a_bad_request(api: Api) -> None:
    assert (await api("GET", CONFIGMAPS, labelSelector="a=b=c,,(")).status == 400


async def test_a_long_list_comes_in_pages(api: Api) -> None:
    for number in range(5):
        await api.create(CONFIGMAPS, configmap(f"c{number}"))
    first = (await api("GET", CONFIGMAPS, limit=2)).ok()
    assert first["metadata"]["remainingItemCount"] == 3
    token = first["metadata"]["continue"]
    rest = (await api("GET", CONFIGMAPS, **{"limit": 10, "continue": token})).ok()

    assert names(first) + names(rest) == [f"c{number}" for number in range(5)]
    assert "continue" not in rest["metadata"]


async def test_a_watch_from_a_list_sees_everything_after_it(api: Api) -> None:
    await api.create(CONFIGMAPS, configmap("before"))
    version = (await api("GET", CONFIGMAPS)).ok()["metadata"]["resourceVersion"]
    await api.create(CONFIGMAPS, configmap("between"))
    async with watching(api, CONFIGMAPS, resourceVersion=version) as stream:
        await api.patch(f"{CONFIGMAPS}/between", {"data": {"k": "v"}}, MERGE_PATCH)
        await api("DELETE", f"{CONFIGMAPS}/between")
        events = [await next_event(stream) for _ in range(3)]

    assert [kind for kind, _ in events] == ["ADDED", "MODIFIED", "DELETED"]
    assert {obj["metadata"]["name"] for _, obj in events} == {"between"}
    versions = [int(obj["metadata"]["resourceVersion"]) for _, obj in events]
    assert versions == sorted(set(versions))


async def test_a_watch_from_nothing_begins_with_what_exists(api: Api) -> None:
    await api.create(CONFIGMAPS, configmap("a"))
    async with watching(api, CONFIGMAPS, resourceVersion="0") as stream:
        kind, obj = await next_event(stream)

    assert (kind, obj["metadata"]["name"]) == ("ADDED", "a")


async def test_an_object_comes_into_a_selection_and_leaves_it(api: Api) -> None:
    await api.create(CONFIGMAPS, configmap("a", track="canary"))
    version = str(api.store.resource_version)
    query = {"resourceVersion": version, "labelSelector": "track=stable"}
    async with watching(api, CONFIGMAPS, **query) as stream:
        for track in ("stable", "canary"):
            labels = {"metadata": {"labels": {"track": track}}}
            await api.patch(f"{CONFIGMAPS}/a", labels, MERGE_PATCH)
        events = [await next_event(stream) for _ in range(2)]

    assert [kind for kind, _ in events] == ["ADDED", "DELETED"]


async def test_a_watch_from_a_forgotten_version_is_told_so(api: Api) -> None:
    await api.create(CONFIGMAPS, configmap("a"))
    api.store.compact()
    async with watching(api, CONFIGMAPS, resourceVersion="1") as stream:
        kind, status = await next_event(stream)

    assert (kind, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
    assert status["message"].startswith("too old resource version: 1 (")


async def test_a_streaming_list_ends_with_a_marked_bookmark(api: Api) -> None:
    await api.create(CONFIGMAPS, configmap("a"))
    query = {
        "sendInitialEvents": "true",
        "allowWatchBookmarks": "true",
        "resourceVersionMatch": "NotOlderThan",
    }
    async with watching(api, CONFIGMAPS, **query) as stream:
        await next_event(stream)
        kind, bookmark = await next_event(stream)

    assert kind == "BOOKMARK"
    assert bookmark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_watch_ends_when_its_time_is_up(api: Api) -> None:
    async with watching(api, CONFIGMAPS, timeoutSeconds=1) as stream, asyncio.timeout(5):
        assert await stream.content.read() == b""


async def test_a_version_from_the_future_is_too_large(api: Api) -> None:
    refused = await api("GET", CONFIGMAPS, resourceVersion=99_999)

    assert (refused.status, refused.body["reason"]) == (504, "Timeout")
    assert refused.body["message"].startswith("Too large resource version: 99999, current: ")
