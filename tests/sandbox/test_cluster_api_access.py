"""Who may do what, and what a client that may not is told."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.sandbox.cluster_api_support import (
    DEPLOYER,
    DEPLOYMENTS,
    MERGE_PATCH,
    VIEWER,
    Api,
    deployment,
    running_api,
)

REVIEWS = "/apis/authorization.k8s.io/v1"


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with running_api() as running:
        await running.create(DEPLOYMENTS, deployment())
        yield running


async def may(api: Api, token: str, **attributes: str) -> bool:
    body = {"spec": {"resourceAttributes": attributes}}
    answer = await api("POST", f"{REVIEWS}/selfsubjectaccessreviews", body, token=token)
    allowed: bool = answer.ok()["status"]["allowed"]
    return allowed


async def test_an_unknown_token_is_unauthorized(api: Api) -> None:
    refused = await api("GET", DEPLOYMENTS, token="made-up")

    assert (refused.status, refused.body["reason"]) == (401, "Unauthorized")
    assert refused.body["message"] == "Unauthorized"


async def test_without_a_token_one_is_anonymous_and_may_see_the_version_only(api: Api) -> None:
    assert (await api("GET", "/version", token=None)).ok()["gitVersion"].startswith("v1.")
    refused = await api("GET", DEPLOYMENTS, token=None)
    assert 'User "system:anonymous" cannot list' in refused.body["message"]
    assert (await api("GET", "/apis", token=None)).status == 403


async def test_what_a_user_may_not_do_is_forbidden_in_the_authorizers_words(api: Api) -> None:
    patch = {"spec": {"replicas": 0}}
    refused = await api(
        "PATCH", f"{DEPLOYMENTS}/web", patch, token=VIEWER, content_type=MERGE_PATCH
    )

    assert refused.status == 403
    assert refused.body["message"] == (
        'deployments.apps "web" is forbidden: User "viewer" cannot patch resource "deployments" '
        'in API group "apps" in the namespace "default"'
    )
    assert refused.body["details"] == {"name": "web", "group": "apps", "kind": "deployments"}
    everywhere = await api("DELETE", "/api/v1/nodes/n", token=VIEWER)
    assert everywhere.body["message"].endswith('in API group "" at the cluster scope')


async def test_rules_hold_per_verb_resource_subresource_and_namespace(api: Api) -> None:
    patch = {"spec": {"replicas": 2}}

    async def patched(path: str) -> int:
        answer = await api("PATCH", path, patch, token=DEPLOYER, content_type=MERGE_PATCH)
        return answer.status

    assert await patched(f"{DEPLOYMENTS}/web") == 200
    assert await patched(f"{DEPLOYMENTS}/web/scale") == 200
    assert await patched(f"{DEPLOYMENTS}/web/status") == 403
    assert await patched("/apis/apps/v1/namespaces/kube-system/deployments/web") == 403
    assert (await api("GET", DEPLOYMENTS, token=DEPLOYER)).status == 403


async def test_a_review_says_beforehand_what_would_be_allowed(api: Api) -> None:
    wanted = {"group": "apps", "resource": "deployments", "namespace": "default", "name": "web"}

    assert await may(api, DEPLOYER, verb="patch", **wanted)
    assert await may(api, DEPLOYER, verb="patch", subresource="scale", **wanted)
    assert not await may(api, DEPLOYER, verb="delete", **wanted)
    assert not await may(api, DEPLOYER, verb="patch", **{**wanted, "namespace": "shop"})
    assert not await may(api, DEPLOYER, verb="patch", **{**wanted, "namespace": ""})


async def test_a_rules_review_lists_what_is_allowed_in_a_namespace(api: Api) -> None:
    path = f"{REVIEWS}/selfsubjectrulesreviews"

    async def rules(namespace: str) -> list[dict[str, Any]]:
        answer = await api("POST", path, {"spec": {"namespace": namespace}}, token=DEPLOYER)
        found: list[dict[str, Any]] = answer.ok()["status"]["resourceRules"]
        return found

    assert await rules("default") == [
        {
            "verbs": ["get", "patch"],
            "apiGroups": ["apps"],
            "resources": ["deployments", "deployments/scale"],
        }
    ]
    assert await rules("shop") == []


async def test_the_server_remembers_who_asked_for_what(api: Api) -> None:
    await api("GET", f"{DEPLOYMENTS}/web", token=VIEWER)
    await may(api, VIEWER, verb="get", resource="pods")
    last, review = api.server.requests[-2:]

    assert (last.user, last.verb, last.gvr.resource, last.name) == (
        "viewer",
        "get",
        "deployments",
        "web",
    )
    assert not last.mutates
    assert not review.mutates


async def test_a_kubeconfig_is_for_one_user_and_private(api: Api, tmp_path: Path) -> None:
    path = api.server.write_kubeconfig(tmp_path / "config", user="viewer", namespace="shop")
    config = yaml.safe_load(path.read_text())

    assert path.stat().st_mode & 0o777 == 0o600
    assert config["contexts"][0]["context"]["namespace"] == "shop"
    address = config["clusters"][0]["cluster"]["server"]
    # client-go sends no token over plain HTTP: the address alone says who asks.
    async with api.session.delete(f"{address}{DEPLOYMENTS}/web") as response:
        assert 'User "viewer" cannot delete' in (await response.json())["message"]
