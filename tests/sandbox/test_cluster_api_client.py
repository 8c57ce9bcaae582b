"""The official asynchronous client works with the server as it is."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import aio

from tests.sandbox.cluster_api_support import (
    DEPLOYMENTS,
    JSON_PATCH,
    STRATEGIC,
    Api,
    deployment,
    pod,
    running_api,
)

# Most of what the client's models declare is optional; what the server sends is checked instead.
client: Any = aio.client
config: Any = aio.config
watch: Any = aio.watch


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with running_api() as running:
        await running.create(DEPLOYMENTS, deployment(replicas=2))
        yield running


@pytest.fixture
async def kubernetes(api: Api, tmp_path: Path) -> AsyncIterator[Any]:
    path = api.server.write_kubeconfig(tmp_path / "config", user="admin")
    settings = client.Configuration()
    await config.load_kube_config(str(path), client_configuration=settings)
    async with client.ApiClient(settings) as connection:
        yield connection


async def test_typed_models_are_read_and_written(kubernetes: Any) -> None:
    apps = client.AppsV1Api(kubernetes)
    web = await apps.read_namespaced_deployment("web", "default")
    assert web.spec.replicas == 2
    assert web.metadata.creation_timestamp.tzinfo is not None

    web.spec.replicas = 4
    replaced = await apps.replace_namespaced_deployment("web", "default", web)
    assert replaced.metadata.generation == 2
    with pytest.raises(client.ApiException) as stale:
        await apps.replace_namespaced_deployment("web", "default", web)
    assert (stale.value.status, stale.value.reason) == (409, "Conflict")


async def test_each_kind_of_patch_arrives_as_what_it_is(kubernetes: Any) -> None:
    apps = client.AppsV1Api(kubernetes)

    async def patched(body: Any, kind: str) -> Any:
        return await apps.patch_namespaced_deployment(
            "web", "default", body, field_manager="rollback-bot", _content_type=kind
        )

    operations = [
        {"op": "test", "path": "/metadata/generation", "value": 1},
        {"op": "replace", "path": "/spec/replicas", "value": 3},
    ]
    assert (await patched(operations, JSON_PATCH)).spec.replicas == 3
    with pytest.raises(client.ApiException) as failed:
        await patched(operations, JSON_PATCH)
    assert failed.value.status == 422

    container = {"name": "web", "image": "web:2"}
    template = {"spec": {"template": {"spec": {"containers": [container]}}}}
    result = await patched(template, STRATEGIC)
    assert [each.image for each in result.spec.template.spec.containers] == ["web:2", "sidecar:1"]
    assert "rollback-bot" in {each.manager for each in result.metadata.managed_fields}


async def test_scale_reviews_and_logs_are_reached(api: Api, kubernetes: Any) -> None:
    apps, core = client.AppsV1Api(kubernetes), client.CoreV1Api(kubernetes)
    scale = await apps.patch_namespaced_deployment_scale(
        "web", "default", {"spec": {"replicas": 0}}
    )
    assert scale.status.selector == "app=web"

    attributes = client.V1ResourceAttributes(verb="patch", group="apps", resource="deployments")
    review = client.V1SelfSubjectAccessReview(
        spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes)
    )
    authorization = client.AuthorizationV1Api(kubernetes)
    answered = await authorization.create_self_subject_access_review(review)
    assert answered.status.allowed

    created = await core.create_namespaced_pod("default", pod("a"))
    api.registry.start_container(created.metadata.uid, "app")
    assert await core.read_namespaced_pod_log("a", "default") == ""


async def test_a_watch_follows_from_a_list(kubernetes: Any) -> None:
    core = client.CoreV1Api(kubernetes)
    listed = await core.list_namespaced_config_map("default")
    for name in ("a", "b"):
        await core.create_namespaced_config_map(
            "default", client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name))
        )
    seen = []
    async with watch.Watch() as stream:
        async for event in stream.stream(
            core.list_namespaced_config_map,
            "default",
            resource_version=listed.metadata.resource_version,
            timeout_seconds=1,
        ):
            seen.append((event["type"], event["object"].metadata.name))
            if len(seen) == 2:
                break

    assert seen == [("ADDED", "a"), ("ADDED", "b")]


async def test_custom_objects_and_deletions_work(kubernetes: Any) -> None:
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "canaries.flagger.app"},
        "spec": {
            "group": "flagger.app",
            "scope": "Namespaced",
            "names": {"plural": "canaries", "kind": "Canary"},
            "versions": [{"name": "v1beta1", "served": True, "storage": True}],
        },
    }
    extensions = client.ApiextensionsV1Api(kubernetes)
    await extensions.create_custom_resource_definition(definition)
    custom = client.CustomObjectsApi(kubernetes)
    place = ("flagger.app", "v1beta1", "default", "canaries")
    canary = {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"name": "web"},
        "spec": {"suspend": False},
    }
    await custom.create_namespaced_custom_object(*place, canary)
    listed = await custom.list_namespaced_custom_object(*place)
    assert [each["kind"] for each in listed["items"]] == ["Canary"]

    deleted = await custom.delete_namespaced_custom_object(*place, "web")
    assert deleted["status"] == "Success"
    apps = client.AppsV1Api(kubernetes)
    await apps.delete_namespaced_deployment("web", "default")
    assert (await apps.list_namespaced_deployment("default")).items == []
