"""Server-side apply: who owns a field decides who may change it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import yaml

from tests.sandbox.cluster_api_support import (
    APPLY,
    CONFIGMAPS,
    DEPLOYMENTS,
    MERGE_PATCH,
    Answer,
    Api,
    configmap,
    deployment,
    running_api,
)

WEB = f"{DEPLOYMENTS}/web"


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with running_api() as running:
        yield running


async def apply(api: Api, obj: Any, manager: str = "ci", path: str = WEB, **query: str) -> Answer:
    body = yaml.safe_dump(obj).encode()
    return await api("PATCH", path, body, content_type=APPLY, fieldManager=manager, **query)


def owners(obj: dict[str, Any]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """fieldsV1 by manager, operation and subresource."""
    return {
        (each["manager"], each["operation"], each.get("subresource", "")): each["fieldsV1"]
        for each in obj["metadata"].get("managedFields", [])
    }


def with_image(image: str, **spec: Any) -> dict[str, Any]:
    obj = deployment(**spec)
    obj["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return obj


async def test_apply_creates_what_is_absent_and_then_changes_nothing(api: Api) -> None:
    first = await apply(api, deployment(replicas=2))
    again = await apply(api, deployment(replicas=2))

    assert (first.status, again.status) == (201, 200)
    assert again.body == first.body
    fields = owners(first.body)["ci", "Apply", ""]
    assert fields["f:spec"]["f:replicas"] == {}
    container = fields["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"web"}']
    assert container == {
        ".": {},
        "f:name": {},
        "f:image": {},
        "f:env": {'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}}},
    }
    # What the server defaulted belongs to nobody.
    assert "f:strategy" not in fields["f:spec"]


async def test_a_field_of_another_manager_is_a_conflict_that_names_him(api: Api) -> None:
    await apply(api, deployment(replicas=2))
    await api.patch(WEB, {"spec": {"replicas": 6}}, MERGE_PATCH, fieldManager="autoscaler")
    refused = await apply(api, deployment(replicas=2))

    assert (refused.status, refused.body["reason"]) == (409, "Conflict")
    assert refused.body["message"] == (
        'Apply failed with 1 conflict: conflict with "autoscaler" using apps/v1: .spec.replicas'
    )
    assert refused.body["details"]["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "autoscaler" using apps/v1',
            "field": ".spec.replicas",
        }
    ]
    assert (await api("GET", WEB)).ok()["spec"]["replicas"] == 6


async def test_several_conflicts_are_listed_by_manager(api: Api) -> None:
    await apply(api, with_image("web:1", replicas=2))
    refused = await apply(api, with_image("web:2", replicas=3), "other")

    assert refused.body["message"] == (
        'Apply failed with 2 conflicts: conflicts with "ci":\n'
        "- .spec.replicas\n"
        '- .spec.template.spec.containers[name="web"].image'
    )


async def test_force_takes_the_field_over(api: Api) -> None:
    await apply(api, deployment(replicas=2))
    forced = (await apply(api, deployment(replicas=3), "bot", force="true")).ok()

    assert forced["spec"]["replicas"] == 3
    assert "f:replicas" not in owners(forced)["ci", "Apply", ""]["f:spec"]
    assert "f:replicas" in owners(forced)["bot", "Apply", ""]["f:spec"]


async def test_managers_may_agree_and_own_a_field_together(api: Api) -> None:
    await apply(api, deployment(replicas=2))
    shared = (await apply(api, deployment(replicas=2), "bot")).ok()

    assert "f:replicas" in owners(shared)["ci", "Apply", ""]["f:spec"]
    assert "f:replicas" in owners(shared)["bot", "Apply", ""]["f:spec"]


async def test_what_is_no_longer_applied_goes_unless_somebody_else_owns_it(api: Api) -> None:
    obj = configmap("a", {"mine": "1", "shared": "2"})
    path = f"{CONFIGMAPS}/a"
    await apply(api, obj, path=path)
    await apply(api, configmap("a", {"shared": "2"}), "other", path=path)
    obj["data"] = {"new": "3"}
    applied = (await apply(api, obj, path=path)).ok()

    assert applied["data"] == {"new": "3", "shared": "2"}


async def test_a_container_that_is_no_longer_applied_goes(api: Api) -> None:
    await apply(api, deployment())
    obj = deployment()
    del obj["spec"]["template"]["spec"]["containers"][1]
    applied = (await apply(api, obj)).ok()

    assert [c["name"] for c in applied["spec"]["template"]["spec"]["containers"]] == ["web"]


async def test_replicas_left_out_are_left_to_the_autoscaler(api: Api) -> None:
    await apply(api, deployment(replicas=2))
    scale = {"spec": {"replicas": 7}}
    await api.patch(f"{WEB}/scale", scale, MERGE_PATCH, fieldManager="hpa")
    applied = (await apply(api, with_image("web:2"))).ok()

    assert applied["spec"]["replicas"] == 7
    assert owners(applied)["hpa", "Update", "scale"] == {"f:spec": {"f:replicas": {}}}


async def test_writes_of_other_kinds_record_who_made_them(api: Api) -> None:
    obj = configmap("a", {"k": "1", "other": "1"})
    await api("POST", CONFIGMAPS, obj, agent="shop-cli/2.1 (linux)")
    path = f"{CONFIGMAPS}/a"
    changed = await api.patch(path, {"data": {"k": "2"}}, MERGE_PATCH, fieldManager="bot")

    entries = owners(changed.ok())
    assert entries["bot", "Update", ""] == {"f:data": {"f:k": {}}}
    assert entries["shop-cli", "Update", ""]["f:data"] == {"f:other": {}}


async def test_status_is_owned_apart_from_the_rest(api: Api) -> None:
    await api.create(DEPLOYMENTS, deployment(), fieldManager="cli")
    status = {"status": {"replicas": 1}}
    reported = await api.patch(f"{WEB}/status", status, MERGE_PATCH, fieldManager="controller")

    entries = owners(reported.ok())
    assert entries["controller", "Update", "status"] == {"f:status": {"f:replicas": {}}}
    assert "f:spec" in entries["cli", "Update", ""]


async def test_apply_needs_a_manager_and_no_managed_fields(api: Api) -> None:
    nameless = await api("PATCH", WEB, b"apiVersion: apps/v1\nkind: Deployment", content_type=APPLY)
    assert nameless.status == 422
    assert "fieldManager: Required value: is required for apply patch" in nameless.body["message"]

    obj = deployment()
    obj["metadata"]["managedFields"] = [{"manager": "x"}]
    refused = await apply(api, obj)
    assert (refused.status, refused.body["message"]) == (400, "metadata.managedFields must be nil")


async def test_a_dry_run_shows_conflicts_and_results_but_stores_nothing(api: Api) -> None:
    await apply(api, deployment(replicas=2))
    assert (await apply(api, deployment(replicas=3), "bot", dryRun="All")).status == 409
    planned = await apply(api, deployment(replicas=3), "bot", dryRun="All", force="true")

    assert planned.ok()["spec"]["replicas"] == 3
    assert (await api("GET", WEB)).ok()["spec"]["replicas"] == 2
