"""Blue-green: what can be wrong with the other colour, and what the switch must leave behind."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from bot.clouds.kubernetes.objects import ENDPOINT_SLICES
from bot.core.errors import ConfigurationError, PermanentError, RefusedError, WorldMovedError
from bot.engine.world import StepState
from bot.incident.plan import PreflightVerdict
from bot.metrics.pods import PodMetrics
from sandbox.cluster.base.resources import DEPLOYMENTS, SERVICES
from sandbox.cluster.base.types import Manifest
from sandbox.shop import delivery
from strategies.registry import step_kind
from tests.strategies.conftest import connected
from tests.strategies.support import NAMESPACE, Shop, preflight


async def pods_behind_the_service(shop: Shop) -> set[str]:
    slices = await shop.world.cluster.list(
        ENDPOINT_SLICES, NAMESPACE, labels="kubernetes.io/service-name=checkout"
    )
    return {e["targetRef"]["name"] for one in slices for e in one.get("endpoints") or []}


def set_replicas(shop: Shop, name: str, replicas: int) -> None:
    def edit(deployment: Manifest) -> None:
        deployment["spec"]["replicas"] = replicas

    shop.edit(DEPLOYMENTS, name, edit)


async def test_the_switch_leaves_exactly_the_targets_ready_pods_behind_the_service(
    blue_green: Shop,
) -> None:
    said = await blue_green.run_all(await blue_green.plan())
    names = await pods_behind_the_service(blue_green)
    assert len(names) == 3
    assert all(name.startswith("checkout-blue-") for name in names)
    assert "exactly the 3 ready pods" in said[1]
    assert "answers with v2.0.0" in said[1]


async def test_the_old_colour_keeps_running_for_debugging_and_the_plan_says_so(
    blue_green: Shop,
) -> None:
    plan = await blue_green.plan()
    await blue_green.run_all(plan)
    green = blue_green.get(DEPLOYMENTS, "checkout-green")
    assert green["status"]["readyReplicas"] == 3
    assert any("debugging" in text and "green" in text for text in plan.not_restored)


async def test_the_command_of_the_switch_is_what_the_bot_sends(blue_green: Shop) -> None:
    command = (await blue_green.plan()).steps[1].command
    assert command.startswith("kubectl -n shop patch service checkout --type=json -p '[")
    assert '"op":"test","path":"/spec/selector","value":{"app":"checkout"' in command


async def test_a_stale_selector_key_is_left_out_and_not_merged(blue_green: Shop) -> None:
    def merge(service: Manifest) -> None:
        service["spec"]["selector"]["app.kubernetes.io/version"] = "v2.1.0"

    blue_green.edit(SERVICES, "checkout", merge)
    plan = await blue_green.plan()
    found = preflight(plan, "Selector")
    assert found.verdict is PreflightVerdict.WARN
    assert "app.kubernetes.io/version=v2.1.0" in found.sentence
    await blue_green.run_all(plan)
    assert blue_green.selector() == {"app": "checkout", "version": "blue"}
    assert len(await pods_behind_the_service(blue_green)) == 3


async def test_a_target_with_fewer_ready_pods_than_the_live_side_is_blocked(
    blue_green: Shop,
) -> None:
    set_replicas(blue_green, "checkout-blue", 2)
    await delivery.rolled_out(blue_green.cluster, "checkout-blue")
    found = preflight(await blue_green.plan(), "Capacity")
    assert found.verdict is PreflightVerdict.BLOCK
    assert "blue has 2 ready pods, green has 3" in found.sentence


async def test_publish_not_ready_addresses_makes_endpoints_lie_so_the_pods_are_counted(
    blue_green: Shop,
) -> None:
    def unready(deployment: Manifest) -> None:
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] = (
            "shop/checkout:v2.3.0-unready"
        )

    blue_green.edit(
        SERVICES, "checkout", lambda one: one["spec"].update(publishNotReadyAddresses=True)
    )
    set_replicas(blue_green, "checkout-blue", 0)
    await delivery.rolled_out(blue_green.cluster, "checkout-blue")
    blue_green.edit(DEPLOYMENTS, "checkout-blue", unready)
    set_replicas(blue_green, "checkout-blue", 3)
    await blue_green.cluster.until(
        lambda: blue_green.get(DEPLOYMENTS, "checkout-blue")["status"].get("updatedReplicas") == 3
    )
    found = preflight(await blue_green.plan(), "Capacity")
    assert found.verdict is PreflightVerdict.BLOCK
    assert found.sentence.startswith("blue is not ready: none of its ")


async def test_a_target_that_lost_its_pods_after_approval_is_not_switched_to(
    blue_green: Shop,
) -> None:
    plan = await blue_green.plan()
    set_replicas(blue_green, "checkout-blue", 0)
    await delivery.rolled_out(blue_green.cluster, "checkout-blue")
    step = plan.steps[0]
    params = {**step.action.params, "patience_seconds": 0.2}
    hurried = step.model_copy(update={"action": step.action.model_copy(update={"params": params})})
    with pytest.raises(PermanentError, match="0 of 0 pods of blue are ready, 3 needed"):
        await blue_green.run(hurried)
    assert blue_green.changes() == []


async def test_an_autoscaler_at_zero_is_named_because_it_never_scales_up_again(
    blue_green: Shop,
) -> None:
    blue_green.cluster.apply(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "checkout-blue", "namespace": NAMESPACE},
            "spec": {
                "minReplicas": 2,
                "maxReplicas": 6,
                "scaleTargetRef": {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "name": "checkout-blue",
                },
            },
        }
    )
    set_replicas(blue_green, "checkout-blue", 0)
    await delivery.rolled_out(blue_green.cluster, "checkout-blue")
    plan = await blue_green.plan()
    assert preflight(plan, "Autoscaler").verdict is PreflightVerdict.WARN
    assert "2 to 6 pods" in preflight(plan, "Autoscaler").sentence
    assert [block.name for block in plan.blocks] == ["Capacity"]


async def test_a_target_in_the_middle_of_a_rollout_is_blocked(blue_green: Shop) -> None:
    def image(deployment: Manifest) -> None:
        template = deployment["spec"]["template"]
        template["metadata"]["labels"]["app.kubernetes.io/version"] = "v2.3.0-unready"
        template["spec"]["containers"][0]["image"] = "shop/checkout:v2.3.0-unready"

    blue_green.edit(DEPLOYMENTS, "checkout-blue", image)
    await blue_green.cluster.until(
        lambda: blue_green.get(DEPLOYMENTS, "checkout-blue")["status"].get("updatedReplicas")
    )
    plan = await blue_green.plan("blue")
    assert "Rollout" in [block.name for block in plan.blocks]


async def test_argo_cd_with_self_heal_blocks_and_the_sentence_says_what_to_do(
    blue_green: Shop, tmp_path: Path
) -> None:
    def track(service: Manifest) -> None:
        service["metadata"]["annotations"] = {
            "argocd.argoproj.io/tracking-id": "shop:/Service:shop/checkout"
        }

    blue_green.edit(SERVICES, "checkout", track)
    found = preflight(await blue_green.plan(), "GitOps")
    assert found.verdict is PreflightVerdict.WARN
    assert "Argo CD Application shop" in found.sentence
    blue_green.cluster.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "applications.argoproj.io"},
            "spec": {
                "group": "argoproj.io",
                "scope": "Namespaced",
                "names": {"kind": "Application", "plural": "applications"},
                "versions": [{"name": "v1alpha1", "served": True, "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object",
                        "x-kubernetes-preserve-unknown-fields": True}}}],
            },
        }
    )  # fmt: skip
    blue_green.cluster.apply(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": "shop", "namespace": "argocd"},
            "spec": {"syncPolicy": {"automated": {"selfHeal": True}}},
        }
    )
    async with connected(blue_green.cluster, tmp_path, user="cautious") as cautious:
        world = replace(blue_green.world, cluster=cautious)
        found = preflight(await replace(blue_green, world=world).plan(), "GitOps")
    assert found.verdict is PreflightVerdict.BLOCK
    assert "argocd app set shop --sync-policy none" in found.sentence


async def test_pods_that_still_serve_are_reported_and_are_no_failure(blue_green: Shop) -> None:
    plan = await blue_green.plan()
    await blue_green.run(plan.steps[1])
    green = [
        p for p in blue_green.pods("checkout") if p["metadata"]["labels"]["version"] == "green"
    ]
    busy = green[0]["metadata"]["name"]

    async def keep_asking() -> None:
        while True:
            await blue_green.world.cluster.ask_pod(NAMESPACE, busy, 8080, "/checkout")
            await asyncio.sleep(0.02)

    asking = asyncio.create_task(keep_asking())
    try:
        said = await blue_green.run(plan.steps[2])
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    assert said.startswith("Not drained after 1 s: the pods of green still serve")


async def test_quiet_pods_are_reported_as_drained(blue_green: Shop) -> None:
    plan = await blue_green.plan()
    said = await blue_green.run_all(plan)
    assert "served no more requests" in said[2]


async def test_pods_without_the_counter_are_unknown_and_not_drained(blue_green: Shop) -> None:
    metrics = blue_green.service.metrics
    assert isinstance(metrics, PodMetrics)
    misnamed = metrics.model_copy(update={"requests": "requests_of_nobody_total"})
    service = blue_green.service.model_copy(update={"metrics": misnamed})
    plan = await replace(blue_green, service=service).plan()
    said = await blue_green.run(plan.steps[2])
    assert said.startswith("Not known whether the pods of green still serve")
    assert "The counters of checkout-green-" in said


def only_counting(shop: Shop, **where: str) -> Shop:
    """The shop whose catalog counts requests with these labels alone."""
    metrics = shop.service.metrics
    assert isinstance(metrics, PodMetrics)
    service = shop.service.model_copy(
        update={"metrics": metrics.model_copy(update={"where": where})}
    )
    return replace(shop, service=service)


async def test_a_filter_that_no_series_matches_is_unknown_and_not_drained(
    blue_green: Shop,
) -> None:
    plan = await only_counting(blue_green, path="/nowhere").plan()
    said = await blue_green.run(plan.steps[2])
    assert said.startswith("Not known whether the pods of green still serve requests after 1 s.")
    assert 'No series of theirs is http_requests_total{path="/nowhere"}' in said
    assert "check metrics.where in rollback.yml" in said


async def test_a_pod_without_such_requests_is_quiet_where_another_pod_proves_the_filter(
    blue_green: Shop,
) -> None:
    filtered = only_counting(blue_green, path="/checkout")
    green = [
        p for p in blue_green.pods("checkout") if p["metadata"]["labels"]["version"] == "green"
    ]
    await blue_green.world.cluster.ask_pod(
        NAMESPACE, green[0]["metadata"]["name"], 8080, "/checkout"
    )
    plan = await filtered.plan()
    assert "served no more requests" in await blue_green.run(plan.steps[2])


@pytest.mark.parametrize(
    ("served", "told"),
    [
        ('http_requests_total{path="/",code="200"} 7', ""),
        ('http_requests_total{path="/health",code="200"} 7', "not known: no pod is left, or none"),
        ("", "not known: no pod is left, or none"),
    ],
)
async def test_by_hand_too_counters_that_cannot_be_found_are_not_taken_for_a_drain(
    blue_green: Shop, tmp_path: Path, served: str, told: str
) -> None:
    command = (await only_counting(blue_green, path="/").plan()).steps[2].command
    kubectl = tmp_path / "kubectl"
    (tmp_path / "served").write_text(served)
    kubectl.write_text(
        f'#!/bin/sh\nif [ "$2" = --raw ]; then cat {tmp_path / "served"}; else echo green; fi\n'
    )
    kubectl.chmod(0o755)
    shell = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        command,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await shell.communicate())[0].decode()
    assert output.startswith(told)
    assert bool(output) == bool(told)


async def test_a_version_endpoint_that_shows_another_release_fails_the_switch(
    blue_green: Shop,
) -> None:
    step = (await blue_green.plan()).steps[1]
    params = {**step.action.params, "release": "v3.0.0", "patience_seconds": 0.3}
    wrong = step.model_copy(update={"action": step.action.model_copy(update={"params": params})})
    with pytest.raises(PermanentError, match=r"does not answer with v3\.0\.0"):
        await blue_green.run(wrong)


async def test_a_selector_that_the_catalog_does_not_know_is_explained(blue_green: Shop) -> None:
    def point_elsewhere(service: Manifest) -> None:
        service["spec"]["selector"]["version"] = "purple"

    blue_green.edit(SERVICES, "checkout", point_elsewhere)
    with pytest.raises(ConfigurationError, match="purple"):
        await blue_green.plan()


async def test_the_live_colour_is_nothing_to_do(blue_green: Shop) -> None:
    with pytest.raises(RefusedError, match="Nothing to do"):
        await blue_green.plan("green")


async def test_a_right_that_is_missing_blocks_and_the_sentence_names_the_file(
    blue_green: Shop, tmp_path: Path
) -> None:
    async with connected(blue_green.cluster, tmp_path, user="reader") as reader:
        world = replace(blue_green.world, cluster=reader)
        plan = await replace(blue_green, world=world).plan()
    found = preflight(plan, "Rights")
    assert found.verdict is PreflightVerdict.BLOCK
    assert "may not patch services in namespace shop" in found.sentence
    assert "deploy/rbac.yaml" in found.sentence


async def test_endpoints_that_do_not_follow_are_named(blue_green: Shop) -> None:
    step = (await blue_green.plan()).steps[1]
    await step_kind(step.action.kind).act(step, blue_green.world)
    blue_green.cluster.apply(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "checkout-by-hand",
                "namespace": NAMESPACE,
                "labels": {"kubernetes.io/service-name": "checkout"},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["203.0.113.9"]}],
            "ports": [],
        }
    )
    params = {**step.action.params, "patience_seconds": 0.3}
    hurried = step.model_copy(update={"action": step.action.model_copy(update={"params": params})})
    with pytest.raises(PermanentError, match=r"pods too many: 203\.0\.113\.9"):
        await step_kind(step.action.kind).confirm(hurried, blue_green.world)


async def test_a_deleted_service_is_the_world_moving(blue_green: Shop) -> None:
    plan = await blue_green.plan()
    await step_kind("switch-service").act(plan.steps[1], blue_green.world)
    blue_green.cluster.store.delete(SERVICES, NAMESPACE, "checkout")
    with pytest.raises(WorldMovedError, match="deleted"):
        await step_kind("switch-service").confirm(plan.steps[1], blue_green.world)


async def test_a_ready_target_needs_no_waiting(blue_green: Shop) -> None:
    step = (await blue_green.plan()).steps[0]
    observed = await step_kind(step.action.kind).observe(step, blue_green.world)
    assert observed.state is StepState.AFTER
    assert observed.summary == "3 of 3 pods of blue are ready, 3 needed."
