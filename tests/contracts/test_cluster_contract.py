"""What the Cluster port promises, kept by the Kubernetes adapter against an API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.clouds.kubernetes.cluster import KubernetesCluster
from bot.clouds.kubernetes.logins import connect_cluster
from bot.clouds.kubernetes.objects import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    PODS,
    SECRETS,
    SERVICES,
    Change,
    Kind,
    Manifest,
)
from bot.core.errors import (
    ConfigurationError,
    ForbiddenError,
    NotFoundError,
    OutcomeUnknownError,
    PermanentError,
    TemporaryError,
    WorldMovedError,
)
from sandbox.cluster.base.rbac import ADMIN_RULES, Rule, User
from sandbox.cluster.base.resources import CONFIGMAPS
from sandbox.cluster.cluster import Cluster
from sandbox.cluster.node.images import ImageRegistry
from sandbox.cluster.node.timings import QUICK
from sandbox.shop import manifests
from sandbox.shop.delivery import rolled_out
from sandbox.shop.server import push_releases

SHOP = "shop"


@pytest.fixture
async def server() -> AsyncIterator[Cluster]:
    images = ImageRegistry()
    push_releases(images, seed=3, startup_factor=0.02)
    users = {
        "admin-token": User(name="admin", rules=ADMIN_RULES),
        "reader-token": User(name="reader", rules=(Rule(verbs=("get",), resources=("services",)),)),
    }
    async with Cluster(images=images, timings=QUICK, users=users) as cluster:
        cluster.apply(manifests.checkout_service("blue"))
        yield cluster


@asynccontextmanager
async def connection(
    server: Cluster, directory: Path, user: str = "admin"
) -> AsyncIterator[KubernetesCluster]:
    path = server.write_kubeconfig(directory / user, user=user)
    client = await connect_cluster({"KUBECONFIG": str(path)})
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture
async def cluster(server: Cluster, tmp_path: Path) -> AsyncIterator[KubernetesCluster]:
    async with connection(server, tmp_path) as client:
        yield client


async def running_pod(server: Cluster) -> str:
    server.apply(manifests.checkout_deployment("blue", "v2.0.0", replicas=1))
    await rolled_out(server, "checkout-blue")
    pods = [obj for gvr, obj in server.store.everything() if gvr.resource == "pods"]
    return str(pods[0]["metadata"]["name"])


def config_map(name: str, **labels: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": SHOP, "labels": labels},
        "data": {"key": "value"},
    }


def switch(old: str, new: str) -> list[Manifest]:
    return [
        {"op": "test", "path": "/spec/selector/version", "value": old},
        {"op": "replace", "path": "/spec/selector/version", "value": new},
    ]


async def test_an_object_comes_as_plain_json_with_fields_no_model_knows(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    found = await cluster.get(SERVICES, SHOP, "checkout")
    assert found["kind"] == "Service"
    assert found["spec"]["selector"] == {"app": "checkout", "version": "blue"}


async def test_a_list_is_filtered_and_each_item_says_its_kind(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    server.apply(config_map("one", tier="web"))
    server.apply(config_map("two", tier="db"))
    by_label = await cluster.list(CONFIG_MAPS, SHOP, labels="tier=web")
    by_field = await cluster.list(CONFIG_MAPS, SHOP, fields="metadata.name=two")
    assert [(one["kind"], one["metadata"]["name"]) for one in by_label] == [("ConfigMap", "one")]
    assert [one["metadata"]["name"] for one in by_field] == ["two"]


async def test_a_list_longer_than_a_page_is_complete(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    for number in range(501):
        server.apply(config_map(f"many-{number}", many="yes"))
    assert len(await cluster.list(CONFIG_MAPS, SHOP, labels="many=yes")) == 501


async def test_a_secrets_content_is_never_read(server: Cluster, cluster: KubernetesCluster) -> None:
    for manifest in manifests.payments_configuration():
        server.apply(manifest)
    secret = await cluster.get(SECRETS, SHOP, "payments-credentials")
    assert secret["metadata"]["name"] == "payments-credentials"
    assert "data" not in secret


async def test_what_does_not_exist_is_not_found(cluster: KubernetesCluster) -> None:
    with pytest.raises(NotFoundError, match=r'services "nothing" not found.*rollback\.yml'):
        await cluster.get(SERVICES, SHOP, "nothing")


async def test_a_kind_that_the_cluster_does_not_have_is_said_to_be_missing(
    cluster: KubernetesCluster,
) -> None:
    rollouts = Kind(api_version="nowhere.example/v1", plural="rollouts")
    with pytest.raises(NotFoundError, match=r"this cluster has no rollouts\.nowhere\.example"):
        await cluster.get(rollouts, SHOP, "checkout")


async def test_a_missing_right_is_named_with_the_file_that_grants_it(
    server: Cluster, tmp_path: Path
) -> None:
    async with connection(server, tmp_path, user="reader") as reader:
        assert await reader.may("get", SERVICES, SHOP)
        assert not await reader.may("patch", SERVICES, SHOP)
        with pytest.raises(ForbiddenError, match=r"patch services checkout.*deploy/rbac\.yaml"):
            await reader.patch(SERVICES, SHOP, "checkout", switch("blue", "green"))


async def test_a_right_on_a_subresource_is_asked_for(cluster: KubernetesCluster) -> None:
    assert await cluster.may("get", Kind(api_version="v1", plural="pods/proxy"), SHOP)


async def test_a_patch_is_signed_with_the_bots_name(cluster: KubernetesCluster) -> None:
    changed = await cluster.patch(SERVICES, SHOP, "checkout", switch("blue", "green"))
    assert changed["spec"]["selector"]["version"] == "green"
    managers = {entry["manager"] for entry in changed["metadata"]["managedFields"]}
    assert "rollback-bot" in managers


async def test_a_dry_run_answers_and_stores_nothing(cluster: KubernetesCluster) -> None:
    answer = await cluster.patch(SERVICES, SHOP, "checkout", switch("blue", "green"), dry_run=True)
    assert answer["spec"]["selector"]["version"] == "green"
    live = await cluster.get(SERVICES, SHOP, "checkout")
    assert live["spec"]["selector"]["version"] == "blue"


async def test_a_failed_test_means_that_the_world_moved(cluster: KubernetesCluster) -> None:
    with pytest.raises(WorldMovedError):
        await cluster.patch(SERVICES, SHOP, "checkout", switch("purple", "green"))


async def test_a_stale_resource_version_means_that_the_world_moved(
    cluster: KubernetesCluster,
) -> None:
    stale = {"op": "replace", "path": "/metadata/resourceVersion", "value": "1"}
    with pytest.raises(WorldMovedError):
        await cluster.patch(SERVICES, SHOP, "checkout", [stale, *switch("blue", "green")])


async def test_an_invalid_object_is_refused_for_good(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    server.apply(manifests.checkout_deployment("blue", "v2.0.0", replicas=1))
    negative = [{"op": "replace", "path": "/spec/replicas", "value": -1}]
    with pytest.raises(PermanentError, match="must be greater than or equal to 0") as refused:
        await cluster.patch(DEPLOYMENTS, SHOP, "checkout-blue", negative)
    assert not isinstance(refused.value, WorldMovedError)


def applied(replicas: int, **metadata: str) -> Manifest:
    """The little of a Deployment that somebody cares about."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "checkout-blue", "namespace": SHOP, **metadata},
        "spec": {"replicas": replicas},
    }


async def test_applied_fields_become_the_bots_and_all_others_stay(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    server.apply(config_map("one"))
    wanted = {**config_map("one"), "data": {"more": "yes"}}
    changed = await cluster.apply(CONFIG_MAPS, SHOP, "one", wanted)
    assert changed["data"] == {"key": "value", "more": "yes"}
    entry = next(e for e in changed["metadata"]["managedFields"] if e["manager"] == "rollback-bot")
    assert entry["operation"] == "Apply"


async def test_applying_a_field_of_another_manager_is_a_conflict_that_names_it(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    server.apply(manifests.checkout_deployment("blue", "v2.0.0", replicas=2))
    with pytest.raises(WorldMovedError, match=r"belong to ci .*\.spec\.replicas"):
        await cluster.apply(DEPLOYMENTS, SHOP, "checkout-blue", applied(1))
    forced = await cluster.apply(DEPLOYMENTS, SHOP, "checkout-blue", applied(1), force=True)
    assert forced["spec"]["replicas"] == 1


async def test_a_misspelt_field_of_a_manifest_is_named_and_not_tried_again(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    server.apply(config_map("one"))
    misspelt = {**config_map("one"), "dta": {"more": "yes"}}
    with pytest.raises(PermanentError, match=r"\.dta: field not declared.*Correct the field"):
        await cluster.apply(CONFIG_MAPS, SHOP, "one", misspelt)
    assert len([r for r in server.server.requests if r.verb == "patch"]) == 1


async def test_a_dry_run_of_an_apply_stores_nothing(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    server.apply(manifests.checkout_deployment("blue", "v2.0.0", replicas=2))
    answer = await cluster.apply(
        DEPLOYMENTS, SHOP, "checkout-blue", applied(1), force=True, dry_run=True
    )
    assert answer["spec"]["replicas"] == 1
    assert (await cluster.get(DEPLOYMENTS, SHOP, "checkout-blue"))["spec"]["replicas"] == 2


async def test_applying_onto_a_stale_resource_version_means_that_the_world_moved(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    server.apply(manifests.checkout_deployment("blue", "v2.0.0", replicas=2))
    with pytest.raises(WorldMovedError):
        await cluster.apply(
            DEPLOYMENTS, SHOP, "checkout-blue", applied(1, resourceVersion="1"), force=True
        )


async def test_an_apply_without_an_answer_is_not_repeated(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    server.apply(config_map("one"))
    server.server.faults.disconnect(verb="patch", after_effect=True)
    with pytest.raises(OutcomeUnknownError):
        await cluster.apply(CONFIG_MAPS, SHOP, "one", config_map("one"))
    assert len([r for r in server.server.requests if r.verb == "patch"]) == 1


async def test_a_status_is_patched_apart_from_its_object(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    server.apply(manifests.checkout_service("blue"))
    status = [{"op": "add", "path": "/status/conditions", "value": []}]
    both = [*status, *switch("blue", "green")]
    changed = await cluster.patch(SERVICES, SHOP, "checkout", both, subresource="status")
    assert changed["status"]["conditions"] == []
    assert changed["spec"]["selector"]["version"] == "blue"


async def test_a_missing_right_on_a_status_is_named(server: Cluster, tmp_path: Path) -> None:
    status = [{"op": "add", "path": "/status/conditions", "value": []}]
    async with connection(server, tmp_path, user="reader") as reader:
        with pytest.raises(ForbiddenError, match="Grant “patch” on “services/status”"):
            await reader.patch(SERVICES, SHOP, "checkout", status, subresource="status")


async def test_a_read_is_repeated_while_the_server_is_overloaded(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    server.server.faults.answer(503, times=2, verb="get", resource="services")
    server.server.faults.disconnect(times=1, verb="get", resource="services")
    found = await cluster.get(SERVICES, SHOP, "checkout")
    assert found["metadata"]["name"] == "checkout"


async def test_a_rate_limited_patch_is_repeated_since_it_was_not_begun(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    server.server.faults.answer(429, retry_after_seconds=1, verb="patch")
    changed = await cluster.patch(SERVICES, SHOP, "checkout", switch("blue", "green"))
    assert changed["spec"]["selector"]["version"] == "green"


async def test_a_patch_without_an_answer_is_not_repeated(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    server.server.faults.disconnect(verb="patch", after_effect=True)
    with pytest.raises(OutcomeUnknownError):
        await cluster.patch(SERVICES, SHOP, "checkout", switch("blue", "green"))
    assert len([r for r in server.server.requests if r.verb == "patch"]) == 1


async def test_a_server_that_is_away_is_a_temporary_trouble(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    await server.server.stop()
    with pytest.raises(TemporaryError, match="does not answer"):
        await cluster.ask_pod(SHOP, "any", 8080, "/")
    await server.server.start()
    assert await cluster.get(SERVICES, SHOP, "checkout")


class Seen:
    """A watch that runs beside the test."""

    def __init__(self, changes: AsyncIterator[Change]) -> None:
        self._changes = changes

    async def next(self) -> tuple[str, str]:
        change = await asyncio.wait_for(anext(self._changes), 10)
        return change.type, change.manifest["metadata"]["name"]

    async def close(self) -> None:
        assert isinstance(self._changes, AsyncGenerator)
        await self._changes.aclose()


@asynccontextmanager
async def watching(cluster: KubernetesCluster) -> AsyncIterator[Seen]:
    seen = Seen(cluster.watch(CONFIG_MAPS, SHOP, labels="tier=web"))
    try:
        yield seen
    finally:
        await seen.close()


async def test_a_watch_gives_what_is_there_and_then_every_change(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    server.apply(config_map("one", tier="web"))
    async with watching(cluster) as seen:
        assert await seen.next() == ("ADDED", "one")
        server.apply(config_map("two", tier="web"))
        assert await seen.next() == ("ADDED", "two")
        server.apply(config_map("one", tier="web", more="yes"))
        assert await seen.next() == ("MODIFIED", "one")
        server.store.delete(CONFIGMAPS, SHOP, "two")
        assert await seen.next() == ("DELETED", "two")


async def test_a_watch_misses_nothing_when_its_connection_breaks(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    server.apply(config_map("one", tier="web"))
    async with watching(cluster) as seen:
        assert await seen.next() == ("ADDED", "one")
        server.apply(config_map("two", tier="web"))
        assert await seen.next() == ("ADDED", "two")
        assert server.server.faults.drop_watches() == 1
        server.apply(config_map("three", tier="web"))
        assert await seen.next() == ("ADDED", "three")


async def test_a_watch_begins_anew_when_its_version_has_expired(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    server.apply(config_map("one", tier="web"))
    server.apply(config_map("two", tier="web"))
    async with watching(cluster) as seen:
        assert {await seen.next(), await seen.next()} == {("ADDED", "one"), ("ADDED", "two")}
        server.apply(config_map("three", tier="web"))
        assert await seen.next() == ("ADDED", "three")
        await server.server.stop()
        server.store.delete(CONFIGMAPS, SHOP, "two")
        server.apply(config_map("four", tier="web"))
        server.store.compact()
        await server.server.start()
        # What vanished in the gap is told, and the present state is given again.
        found = [await seen.next() for _ in range(4)]
    assert found[0] == ("DELETED", "two")
    assert sorted(found[1:]) == [("ADDED", "four"), ("ADDED", "one"), ("ADDED", "three")]


async def test_a_watch_whose_version_has_expired_before_it_opens_begins_anew(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    server.apply(config_map("one", tier="web"))
    async with watching(cluster) as seen:
        assert await seen.next() == ("ADDED", "one")
        server.server.faults.answer(410, verb="watch")
        server.server.faults.drop_watches()
        # The present state is given again.
        assert await seen.next() == ("ADDED", "one")


async def test_the_last_lines_of_a_container_are_read(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    pod = await running_pod(server)
    text = await cluster.logs(SHOP, pod, container="checkout", lines=1)
    assert text.count("\n") == 1
    assert "listening on :8080" in text
    with pytest.raises(PermanentError, match="previous terminated container"):
        await cluster.logs(SHOP, pod, container="checkout", previous=True)


async def test_a_pod_is_asked_and_every_status_of_it_is_an_answer(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    pod = await running_pod(server)
    version = await cluster.ask_pod(SHOP, pod, 8080, "/version")
    missing = await cluster.ask_pod(SHOP, pod, 8080, "/no-such-page")
    assert (version.status, "v2.0.0" in version.text) == (200, True)
    assert missing.status == 404


async def test_a_pod_that_is_gone_or_does_not_listen_is_not_mistaken_for_an_answer(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    pod = await running_pod(server)
    with pytest.raises(NotFoundError):
        await cluster.ask_pod(SHOP, "gone", 8080, "/version")
    with pytest.raises(TemporaryError):
        await cluster.ask_pod(SHOP, pod, 9999, "/version")


async def test_pods_are_listed_with_their_kind(server: Cluster, cluster: KubernetesCluster) -> None:
    await running_pod(server)
    assert {pod["kind"] for pod in await cluster.list(PODS, SHOP)} == {"Pod"}


async def test_a_missing_kubeconfig_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no kubeconfig file at"):
        await connect_cluster({"KUBECONFIG": str(tmp_path / "nothing")})


async def test_a_broken_kubeconfig_is_a_configuration_error(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("clusters: []\ncontexts: []\ncurrent-context: nowhere\nusers: []\n")
    with pytest.raises(ConfigurationError, match=r"cannot be used.*nowhere"):
        await connect_cluster({"KUBECONFIG": str(path)})


async def test_deleting_takes_the_object_that_was_meant_and_no_successor_of_its_name(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    uid = (await cluster.get(SERVICES, SHOP, "checkout"))["metadata"]["uid"]
    with pytest.raises(WorldMovedError):
        await cluster.delete(SERVICES, SHOP, "checkout", uid="0b6e1f5c-another")
    await cluster.delete(SERVICES, SHOP, "checkout", uid=uid)
    with pytest.raises(NotFoundError):
        await cluster.delete(SERVICES, SHOP, "checkout", uid=uid)


async def test_a_deletion_that_is_only_tried_deletes_nothing_and_tells_a_successor_too(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    uid = (await cluster.get(SERVICES, SHOP, "checkout"))["metadata"]["uid"]
    await cluster.delete(SERVICES, SHOP, "checkout", uid=uid, dry_run=True)
    assert server.server.requests[-1].dry_run
    assert (await cluster.get(SERVICES, SHOP, "checkout"))["metadata"]["uid"] == uid
    with pytest.raises(WorldMovedError):
        await cluster.delete(SERVICES, SHOP, "checkout", uid="0b6e1f5c-another", dry_run=True)
    with pytest.raises(NotFoundError):
        await cluster.delete(SERVICES, SHOP, "gone", uid=uid, dry_run=True)


async def test_a_lost_answer_to_a_deletion_is_never_taken_for_a_success(
    server: Cluster, cluster: KubernetesCluster
) -> None:
    uid = (await cluster.get(SERVICES, SHOP, "checkout"))["metadata"]["uid"]
    server.server.faults.disconnect(verb="delete", after_effect=True)
    # aiohttp itself repeats an idempotent request whose kept connection was cut: then it is gone.
    with pytest.raises((OutcomeUnknownError, NotFoundError)):
        await cluster.delete(SERVICES, SHOP, "checkout", uid=uid)
    with pytest.raises(NotFoundError):
        await cluster.get(SERVICES, SHOP, "checkout")
