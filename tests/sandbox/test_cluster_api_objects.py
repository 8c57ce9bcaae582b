"""Objects are created, changed and deleted by the API server's rules."""

from collections.abc import AsyncIterator

import pytest

from sandbox.cluster.base.resources import REPLICASETS
from tests.sandbox.cluster_api_support import (
    CONFIGMAPS,
    DEPLOYMENTS,
    MERGE_PATCH,
    PODS,
    Api,
    configmap,
    deployment,
    pod,
    running_api,
)

MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with running_api() as running:
        yield running


async def test_a_new_object_gets_its_identity_from_the_server(api: Api) -> None:
    created = await api.create(DEPLOYMENTS, deployment())

    metadata = created["metadata"]
    assert metadata["uid"]
    assert metadata["creationTimestamp"].endswith("Z")
    assert metadata["generation"] == 1
    assert (await api("GET", f"{DEPLOYMENTS}/web")).ok() == created


async def test_a_name_is_generated_from_its_prefix(api: Api) -> None:
    created = await api.create(CONFIGMAPS, {"metadata": {"generateName": "note-"}})

    assert created["metadata"]["name"].startswith("note-")
    assert len(created["metadata"]["name"]) == len("note-") + 5


async def test_a_name_can_be_taken_only_once(api: Api) -> None:
    await api.create(DEPLOYMENTS, deployment())
    again = await api("POST", DEPLOYMENTS, deployment())

    assert (again.status, again.body["reason"]) == (409, "AlreadyExists")
    assert again.body["message"] == 'deployments.apps "web" already exists'


async def test_what_is_not_there_is_not_found_in_the_servers_words(api: Api) -> None:
    missing = await api("GET", f"{DEPLOYMENTS}/nothing")

    assert missing.status == 404
    assert missing.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'deployments.apps "nothing" not found',
        "reason": "NotFound",
        "details": {"name": "nothing", "group": "apps", "kind": "deployments"},
        "code": 404,
    }
    elsewhere = await api("POST", "/api/v1/namespaces/nowhere/configmaps", configmap("a"))
    assert elsewhere.body["message"] == 'namespaces "nowhere" not found'
    unserved = await api("GET", "/apis/example.com/v1/things")
    assert (unserved.status, unserved.body) == (404, "404 page not found\n")


async def test_a_write_with_a_stale_version_is_a_conflict(api: Api) -> None:
    old = await api.create(DEPLOYMENTS, deployment())
    await api.patch(f"{DEPLOYMENTS}/web", {"spec": {"replicas": 2}}, MERGE_PATCH)
    refused = await api("PUT", f"{DEPLOYMENTS}/web", old)

    assert (refused.status, refused.body["reason"]) == (409, "Conflict")
    assert refused.body["message"] == (
        f'Operation cannot be fulfilled on deployments.apps "web": {MODIFIED}'
    )


async def test_a_resource_version_in_a_patch_is_a_precondition(api: Api) -> None:
    version = (await api.create(CONFIGMAPS, configmap("a")))["metadata"]["resourceVersion"]
    patch = {"metadata": {"resourceVersion": version}, "data": {"k": "v"}}

    assert (await api.patch(f"{CONFIGMAPS}/a", patch, MERGE_PATCH)).status == 200
    assert (await api.patch(f"{CONFIGMAPS}/a", patch, MERGE_PATCH)).status == 409


async def test_a_write_that_changes_nothing_keeps_the_version(api: Api) -> None:
    created = await api.create(CONFIGMAPS, configmap("a", {"k": "v"}))
    same = (await api.patch(f"{CONFIGMAPS}/a", {"data": {"k": "v"}}, MERGE_PATCH)).ok()

    assert same == created


async def test_generation_counts_changes_of_the_specification_but_not_of_status(api: Api) -> None:
    await api.create(DEPLOYMENTS, deployment())
    path = f"{DEPLOYMENTS}/web"

    scaled = (await api.patch(path, {"spec": {"replicas": 3}}, MERGE_PATCH)).ok()
    assert scaled["metadata"]["generation"] == 2
    labelled = (await api.patch(path, {"metadata": {"labels": {"x": "y"}}}, MERGE_PATCH)).ok()
    assert labelled["metadata"]["generation"] == 2
    # A Deployment's annotations count as its specification.
    annotated = {"metadata": {"annotations": {"x": "y"}}}
    assert (await api.patch(path, annotated, MERGE_PATCH)).ok()["metadata"]["generation"] == 3

    status = {"status": {"replicas": 3}, "spec": {"replicas": 9}}
    reported = (await api.patch(f"{path}/status", status, MERGE_PATCH)).ok()
    assert reported["metadata"]["generation"] == 3
    assert (reported["spec"]["replicas"], reported["status"]["replicas"]) == (3, 3)


async def test_status_does_not_change_through_the_object_itself(api: Api) -> None:
    await api.create(DEPLOYMENTS, deployment())
    patched = await api.patch(f"{DEPLOYMENTS}/web", {"status": {"replicas": 7}}, MERGE_PATCH)

    assert "replicas" not in patched.ok()["status"]


async def test_a_dry_run_answers_as_if_and_stores_nothing(api: Api) -> None:
    planned = await api("POST", DEPLOYMENTS, deployment(), dryRun="All")
    assert planned.status == 201
    assert planned.body["spec"]["replicas"] == 1
    assert (await api("GET", f"{DEPLOYMENTS}/web")).status == 404

    await api.create(DEPLOYMENTS, deployment())
    path = f"{DEPLOYMENTS}/web"
    scaled = await api.patch(path, {"spec": {"replicas": 5}}, MERGE_PATCH, dryRun="All")
    assert scaled.ok()["spec"]["replicas"] == 5
    assert (await api("DELETE", path, dryRun="All")).status == 200
    assert (await api("GET", path)).ok()["spec"]["replicas"] == 1
    await api("DELETE", path, {"dryRun": ["All"]})
    assert (await api("GET", path)).status == 200
    assert not any(each.mutates for each in api.server.requests[-2:])


async def test_fields_the_server_does_not_know_are_kept(api: Api) -> None:
    await api.create(CONFIGMAPS, {**configmap("a"), "future": {"field": [1, None, "x"]}})

    assert (await api("GET", f"{CONFIGMAPS}/a")).ok()["future"] == {"field": [1, None, "x"]}


def owned_replicaset(owner: dict[str, str]) -> dict[str, object]:
    obj = deployment("web-1")
    obj.update(kind="ReplicaSet")
    obj["metadata"]["namespace"] = "default"
    obj["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": "web",
            "uid": owner["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    return obj


@pytest.mark.parametrize(("policy", "left"), [("Background", 0), ("Foreground", 0), ("Orphan", 1)])
async def test_dependents_follow_their_owner_as_the_policy_says(
    api: Api, policy: str, left: int
) -> None:
    owner = (await api.create(DEPLOYMENTS, deployment()))["metadata"]
    api.store.create(REPLICASETS, owned_replicaset(owner))
    await api("DELETE", f"{DEPLOYMENTS}/web", {"propagationPolicy": policy})

    remaining = api.store.list(REPLICASETS)
    assert len(remaining) == left
    assert all("ownerReferences" not in each["metadata"] for each in remaining)
    assert (await api("GET", f"{DEPLOYMENTS}/web")).status == 404


async def test_a_foreground_deletion_waits_for_the_pod_that_still_ends(api: Api) -> None:
    owner = (await api.create(DEPLOYMENTS, deployment()))["metadata"]
    replicaset = api.store.create(REPLICASETS, owned_replicaset(owner))
    running = pod("web-1-a")
    reference = {"uid": replicaset["metadata"]["uid"], "blockOwnerDeletion": True}
    running["metadata"]["ownerReferences"] = [
        {**reference, "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1"}
    ]
    running["spec"]["nodeName"] = "node-1"
    await api.create(PODS, running)

    pending = await api("DELETE", f"{DEPLOYMENTS}/web", {"propagationPolicy": "Foreground"})
    assert pending.body["metadata"]["finalizers"] == ["foregroundDeletion"]
    ending = (await api("GET", f"{PODS}/web-1-a")).ok()["metadata"]
    assert ending["deletionGracePeriodSeconds"] == 30

    await api("DELETE", f"{PODS}/web-1-a", gracePeriodSeconds=0)
    assert (await api("GET", f"{DEPLOYMENTS}/web")).status == 404
    assert api.store.list(REPLICASETS) == []


async def test_a_finalizer_holds_an_object_until_it_is_taken_off(api: Api) -> None:
    obj = configmap("a")
    obj["metadata"]["finalizers"] = ["example.com/hold"]
    await api.create(CONFIGMAPS, obj)
    held = await api("DELETE", f"{CONFIGMAPS}/a")

    assert held.body["metadata"]["deletionTimestamp"]
    await api.patch(f"{CONFIGMAPS}/a", {"metadata": {"finalizers": None}}, MERGE_PATCH)
    assert (await api("GET", f"{CONFIGMAPS}/a")).status == 404


async def test_a_deletion_meant_for_another_object_is_refused(api: Api) -> None:
    await api.create(CONFIGMAPS, configmap("a"))
    refused = await api("DELETE", f"{CONFIGMAPS}/a", {"preconditions": {"uid": "another"}})

    assert refused.status == 409
    assert "Precondition failed: UID in precondition: another" in refused.body["message"]


async def test_a_namespace_takes_its_content_with_it(api: Api) -> None:
    await api.create("/api/v1/namespaces", {"metadata": {"name": "gone"}})
    await api.create("/api/v1/namespaces/gone/configmaps", configmap("a"))
    assert (await api("DELETE", "/api/v1/namespaces/gone")).status == 200

    assert (await api("GET", "/api/v1/namespaces/gone/configmaps")).ok()["items"] == []
    assert (await api("GET", "/api/v1/namespaces/gone")).status == 404


async def test_a_collection_is_deleted_by_selector(api: Api) -> None:
    for name, tier in (("a", "front"), ("b", "back"), ("c", "front")):
        await api.create(CONFIGMAPS, configmap(name, tier=tier))
    await api("DELETE", CONFIGMAPS, labelSelector="tier=front")

    left = (await api("GET", CONFIGMAPS)).ok()["items"]
    assert [each["metadata"]["name"] for each in left] == ["b"]


async def test_scale_reads_and_writes_replicas_only(api: Api) -> None:
    await api.create(DEPLOYMENTS, deployment(replicas=2))
    scale = (await api("GET", f"{DEPLOYMENTS}/web/scale")).ok()
    assert (scale["kind"], scale["spec"]) == ("Scale", {"replicas": 2})
    assert scale["status"]["selector"] == "app=web"

    scale["spec"]["replicas"] = 4
    await api("PUT", f"{DEPLOYMENTS}/web/scale", scale)
    assert (await api("GET", f"{DEPLOYMENTS}/web")).ok()["spec"]["replicas"] == 4
    assert (await api("PUT", f"{DEPLOYMENTS}/web/scale", scale)).status == 409
    negative = {"spec": {"replicas": -1}}
    refused = await api.patch(f"{DEPLOYMENTS}/web/scale", negative, MERGE_PATCH)
    assert refused.status == 422
