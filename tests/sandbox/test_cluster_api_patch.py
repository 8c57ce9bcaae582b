"""Patches of all kinds, as they arrive over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.sandbox.cluster_api_support import (
    CONFIGMAPS,
    DEPLOYMENTS,
    JSON_PATCH,
    MERGE_PATCH,
    SERVICES,
    STRATEGIC,
    Api,
    configmap,
    deployment,
    running_api,
)

WEB = f"{DEPLOYMENTS}/web"


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with running_api() as running:
        await running.create(DEPLOYMENTS, deployment(replicas=3))
        yield running


def containers(obj: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = obj["spec"]["template"]["spec"]["containers"]
    return found


async def strategic(api: Api, spec: dict[str, Any]) -> list[dict[str, Any]]:
    patch = {"spec": {"template": {"spec": spec}}}
    return containers((await api.patch(WEB, patch, STRATEGIC)).ok())


# --- JSON Patch -----------------------------------------------------------------------------


async def test_a_json_patch_applies_when_its_test_holds(api: Api) -> None:
    operations = [
        {"op": "test", "path": "/metadata/generation", "value": 1},
        {"op": "replace", "path": "/spec/replicas", "value": 5},
        {"op": "add", "path": "/metadata/annotations", "value": {"a/b": "1"}},
        {"op": "copy", "from": "/spec/replicas", "path": "/spec/revisionHistoryLimit"},
        {"op": "add", "path": "/spec/template/spec/containers/-",
         "value": {"name": "third", "image": "third:1"}},
        {"op": "remove", "path": "/spec/template/spec/containers/1"},
        {"op": "move", "from": "/metadata/annotations/a~1b", "path": "/metadata/annotations/c"},
    ]  # fmt: skip
    patched = (await api.patch(WEB, operations, JSON_PATCH)).ok()

    assert patched["spec"]["replicas"] == patched["spec"]["revisionHistoryLimit"] == 5
    assert patched["metadata"]["annotations"] == {"c": "1"}
    assert [each["name"] for each in containers(patched)] == ["web", "third"]


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/metadata/generation", "value": 7},
        {"op": "test", "path": "/spec/nothing", "value": "x"},
        {"op": "replace", "path": "/spec/nothing", "value": "x"},
        {"op": "remove", "path": "/spec/nothing"},
        {"op": "add", "path": "/spec/template/spec/containers/9", "value": {}},
    ],
)
async def test_a_json_patch_that_does_not_apply_changes_nothing(
    api: Api, operation: dict[str, Any]
) -> None:
    first = {"op": "replace", "path": "/spec/replicas", "value": 9}
    refused = await api.patch(WEB, [first, operation], JSON_PATCH)

    assert (refused.status, refused.body["reason"]) == (422, "Invalid")
    assert refused.body["message"] == (
        "the server rejected our request due to an error in our request"
    )
    assert (await api("GET", WEB)).ok()["spec"]["replicas"] == 3


async def test_a_json_patch_must_be_a_list(api: Api) -> None:
    assert (await api.patch(WEB, {"op": "add"}, JSON_PATCH)).status == 400


# --- merge patch ----------------------------------------------------------------------------


async def test_a_merge_patch_removes_what_is_null_and_replaces_lists(api: Api) -> None:
    patch = {
        "metadata": {"labels": {"app": None, "team": "shop"}},
        "spec": {"template": {"spec": {"containers": [{"name": "only", "image": "only:1"}]}}},
    }
    patched = (await api.patch(WEB, patch, MERGE_PATCH)).ok()

    assert patched["metadata"]["labels"] == {"team": "shop"}
    assert [each["name"] for each in containers(patched)] == ["only"]


# --- strategic merge patch ------------------------------------------------------------------


async def test_containers_and_their_variables_merge_by_name(api: Api) -> None:
    change = {"name": "web", "image": "web:2", "env": [{"name": "B", "value": "2"}]}
    web, sidecar = await strategic(api, {"containers": [change]})

    assert web["image"] == "web:2"
    assert {each["name"]: each["value"] for each in web["env"]} == {"A": "1", "B": "2"}
    assert sidecar["image"] == "sidecar:1"


async def test_a_new_container_goes_before_those_the_patch_does_not_name(api: Api) -> None:
    found = await strategic(api, {"containers": [{"name": "new", "image": "new:1"}]})

    assert [each["name"] for each in found] == ["new", "web", "sidecar"]


async def test_an_order_can_be_given(api: Api) -> None:
    order = [{"name": "sidecar"}, {"name": "web"}]
    found = await strategic(
        api,
        {
            "$setElementOrder/containers": order,
            "containers": [{"name": "web", "image": "web:3"}],
        },
    )

    assert [(each["name"], each["image"]) for each in found] == [
        ("sidecar", "sidecar:1"),
        ("web", "web:3"),
    ]


async def test_directives_delete_and_replace(api: Api) -> None:
    gone = {"name": "sidecar", "$patch": "delete"}
    assert [each["name"] for each in await strategic(api, {"containers": [gone]})] == ["web"]

    replacement = [{"$patch": "replace"}, {"name": "other", "image": "other:1"}]
    found = await strategic(api, {"containers": replacement})
    assert [each["name"] for each in found] == ["other"]


async def test_a_union_keeps_only_the_member_that_is_named(api: Api) -> None:
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    patched = (await api.patch(WEB, patch, STRATEGIC)).ok()

    assert patched["spec"]["strategy"] == {"type": "Recreate"}


async def test_finalizers_merge_and_are_deleted_one_by_one(api: Api) -> None:
    obj = configmap("a")
    obj["metadata"]["finalizers"] = ["example.com/a", "example.com/b"]
    await api.create(CONFIGMAPS, obj)
    path = f"{CONFIGMAPS}/a"

    added = {"metadata": {"finalizers": ["example.com/c"]}}
    found = (await api.patch(path, added, STRATEGIC)).ok()["metadata"]["finalizers"]
    assert set(found) == {"example.com/a", "example.com/b", "example.com/c"}
    removed = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/a"]}}
    found = (await api.patch(path, removed, STRATEGIC)).ok()["metadata"]["finalizers"]
    assert "example.com/a" not in found


async def test_a_services_ports_merge_by_number_but_its_selector_key_by_key(api: Api) -> None:
    ports = [{"name": "http", "port": 80}, {"name": "admin", "port": 81}]
    spec = {"selector": {"app": "shop", "color": "blue"}, "ports": ports}
    await api.create(SERVICES, {"metadata": {"name": "shop"}, "spec": spec})
    patch = {
        "spec": {
            "ports": [{"port": 80, "targetPort": 9000}],
            "selector": {"color": "green", "slot": "1"},
        }
    }
    patched = (await api.patch(f"{SERVICES}/shop", patch, STRATEGIC)).ok()["spec"]

    # A merge leaves the keys that it does not name: a switch of colours must replace.
    assert patched["selector"] == {"app": "shop", "color": "green", "slot": "1"}
    assert {each["name"]: each["targetPort"] for each in patched["ports"]} == {
        "http": 9000,
        "admin": 81,
    }


async def test_an_item_without_its_key_is_refused(api: Api) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"image": "x"}]}}}}

    assert (await api.patch(WEB, patch, STRATEGIC)).status == 422


async def test_a_patch_of_an_unknown_kind_is_refused(api: Api) -> None:
    refused = await api.patch(WEB, {}, "application/json")

    assert (refused.status, refused.body["reason"]) == (415, "UnsupportedMediaType")
    assert JSON_PATCH in refused.body["message"]


async def test_a_patch_cannot_rename(api: Api) -> None:
    refused = await api.patch(WEB, {"metadata": {"name": "other"}}, MERGE_PATCH)

    assert refused.status == 400
