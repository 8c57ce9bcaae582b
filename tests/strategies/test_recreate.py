"""Recreate: down to the last pod, the old release in place, and up to what was recorded."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from bot.clouds.kubernetes import api
from bot.clouds.kubernetes.objects import Cluster as ClusterPort
from bot.clouds.kubernetes.workloads import is_ready
from bot.core.backoff import Backoff
from bot.core.errors import (
    ConfigurationError,
    OutcomeUnknownError,
    PermanentError,
    RefusedError,
    WorldMovedError,
)
from bot.engine.world import StepState
from bot.incident.plan import Milestone, Plan, PreflightVerdict
from bot.incident.state import Undoing
from bot.incident.transitions import undo_steps
from sandbox.cluster.base.resources import DEPLOYMENTS, HPAS, PODS, SECRETS
from sandbox.cluster.base.types import GVR, Manifest
from sandbox.shop import delivery, manifests
from strategies.kubernetes.scalers import Scaler, Scalers, check_scalers
from strategies.registry import step_kind, strategy
from tests.strategies.custom_resources import define
from tests.strategies.recreate_shop import service
from tests.strategies.support import NAMESPACE, Shop, preflight


def replicas(shop: Shop) -> int:
    return int(shop.get(DEPLOYMENTS, "payments")["spec"]["replicas"])


def environment(shop: Shop) -> list[str]:
    container = shop.get(DEPLOYMENTS, "payments")["spec"]["template"]["spec"]["containers"][0]
    return [one["name"] for one in container["env"]]


def reloaded(plan: Plan) -> Plan:
    return Plan.model_validate_json(plan.model_dump_json())


def kinds(plan: Plan) -> list[str]:
    return [step.action.kind for step in plan.steps]


def pods_of(shop: Shop) -> list[tuple[str, bool]]:
    """Image and readiness of every pod that is there, at this very moment."""
    return [(pod["spec"]["containers"][0]["image"], is_ready(pod)) for pod in shop.pods("payments")]


async def undo(shop: Shop, plan: Plan) -> None:
    done = tuple(index for index, step in enumerate(plan.steps) if step.changes)
    for step in undo_steps(Undoing(plan=plan, done=done)):
        await shop.run(step)


def autoscale(shop: Shop, minimum: int) -> None:
    shop.cluster.apply(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "payments", "namespace": NAMESPACE},
            "spec": {
                "minReplicas": minimum,
                "maxReplicas": 9,
                "scaleTargetRef": {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "name": "payments",
                },
            },
        }
    )


class LosingAnswers:
    """The cluster over a connection that breaks after everything that was applied."""

    def __init__(self, cluster: ClusterPort) -> None:
        self._cluster = cluster

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    async def apply(self, *args: Any, **options: Any) -> Manifest:
        answer = await self._cluster.apply(*args, **options)
        if options.get("dry_run"):
            return answer
        raise OutcomeUnknownError("no answer")


def add_variable(deployment: Manifest) -> None:
    """The bad release brought a variable that the old manifest does not know."""
    env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    env.append({"name": "NEW_PRICING", "value": "on"})


def other_image(deployment: Manifest) -> None:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    containers[0]["image"] = "shop/payments:v1.9.0"


async def test_planning_changes_nothing_and_the_plan_survives_a_restart(either: Shop) -> None:
    plan = await either.plan()
    assert plan.is_safe, plan.blocks
    assert either.changes() == []
    assert (plan.from_release, plan.to_release) == ("v2.1.0", "v2.0.0")
    assert reloaded(plan).hash == plan.hash == (await either.plan()).hash
    assert "replicas" in plan.observed
    # Recovery is judged from the drain on: the downtime must lie before.
    assert [step.milestone for step in plan.steps if step.milestone] == [
        Milestone.SWITCHED,
        Milestone.DRAINED,
    ]


async def test_no_pod_of_the_old_release_starts_before_the_last_bad_one_has_ended(
    either: Shop,
) -> None:
    seen: list[set[str]] = []

    async def watch() -> None:
        subscription = either.cluster.store.subscribe()
        async for _ in subscription:
            images = {pod["spec"]["containers"][0]["image"] for pod in either.pods("payments")}
            seen.append(images)

    await either.cluster.until(lambda: len(either.pods("payments")) == 2)
    watching = asyncio.create_task(watch())
    plan = await either.plan()
    said = await either.run_all(plan)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert set() in seen
    assert not any(len(images) > 1 for images in seen)
    assert await either.serving_release() == "v2.0.0"
    assert replicas(either) == 2  # as recorded, not as in the manifest
    measured = said[kinds(plan).index("measure-downtime")]
    assert plan.downtime.startswith("About ")
    assert re.match(r"Downtime \d+ s: the last ready pod went at .*, the first of v2", measured)
    changes = either.changes()
    assert len(changes) == 3
    await either.run_all(reloaded(plan))
    assert either.changes() == changes  # running it twice changes nothing more


async def test_somebody_who_deploys_before_the_first_step_stops_it_and_is_named(
    revision: Shop,
) -> None:
    plan = await revision.plan()
    revision.edit(DEPLOYMENTS, "payments", other_image)
    with pytest.raises(WorldMovedError, match="kubectl-edit"):
        await step_kind("scale").act(plan.steps[0], revision.world)
    assert revision.changes() == []


async def test_somebody_who_deploys_while_no_pod_is_left_stops_it_and_is_named(
    revision: Shop,
) -> None:
    plan = await revision.plan()
    await revision.run(plan.steps[0])
    await revision.run(plan.steps[1])
    revision.edit(DEPLOYMENTS, "payments", other_image)
    with pytest.raises(WorldMovedError, match="kubectl-edit"):
        await step_kind(plan.steps[2].action.kind).act(plan.steps[2], revision.world)


async def test_somebody_who_scales_up_again_stops_the_wait_and_is_named(revision: Shop) -> None:
    plan = await revision.plan()
    await revision.run(plan.steps[0])

    def scale(deployment: Manifest) -> None:
        deployment["spec"]["replicas"] = 4

    revision.edit(DEPLOYMENTS, "payments", scale)
    observed = await step_kind("await-no-pods").observe(plan.steps[1], revision.world)
    assert (observed.state, "kubectl-edit" in observed.changed_by) == (StepState.OTHER, True)
    with pytest.raises(WorldMovedError, match="scaled up to 4 again by kubectl-edit"):
        await step_kind("await-no-pods").confirm(plan.steps[1], revision.world)


async def test_a_person_who_scaled_after_the_plan_is_named_when_nothing_scales_by_itself(
    revision: Shop,
) -> None:
    plan = await revision.plan()

    def scale(deployment: Manifest) -> None:
        deployment["spec"]["replicas"] = 3

    revision.edit(DEPLOYMENTS, "payments", scale)
    with pytest.raises(
        WorldMovedError, match=r"3 replicas\. There were 2\. Changed by kubectl-edit"
    ):
        await revision.run(plan.steps[0])


async def test_an_autoscaler_at_zero_stays_inactive_and_the_bot_restores_its_minimum(
    revision: Shop,
) -> None:
    autoscale(revision, minimum=3)
    await revision.cluster.until(lambda: replicas(revision) == 3)
    await delivery.rolled_out(revision.cluster, "payments")
    plan = await revision.plan()
    autoscale(revision, minimum=1)
    down, up = (step for step in plan.steps if step.action.kind == "scale")
    assert down.inverse is not None
    assert (down.action.params["recorded"], down.inverse.params["replicas"]) == (3, 3)
    await revision.run(down)

    def inactive() -> bool:
        conditions = revision.get(HPAS, "payments").get("status", {}).get("conditions", [])
        return any(one["reason"] == "ScalingDisabled" for one in conditions)

    await revision.cluster.until(inactive)
    assert up.action.params["replicas"] == 3
    for step in plan.steps[1:]:
        await revision.run(step)
    assert replicas(revision) >= 3


async def test_fewer_recorded_replicas_than_the_autoscalers_minimum_are_raised_to_it(
    revision: Shop,
) -> None:
    def none(deployment: Manifest) -> None:
        deployment["spec"]["replicas"] = 0

    revision.edit(DEPLOYMENTS, "payments", none)
    autoscale(revision, minimum=2)
    await delivery.rolled_out(revision.cluster, "payments")
    plan = await revision.plan()
    assert "Afterwards it gets 2 pods" in preflight(plan, "Autoscaler").sentence
    await revision.run_all(plan)
    assert replicas(revision) == 2


def test_an_autoscaler_that_may_wake_from_zero_is_warned_about() -> None:
    waking = Scaler(kind="HorizontalPodAutoscaler", name="payments", minimum=0, maximum=9)
    found = check_scalers(Scalers(autoscaler=waking), "payments", restored=2)
    assert found.verdict is PreflightVerdict.WARN
    assert "may scale payments up from 0" in found.sentence


def test_keda_behind_the_autoscaler_blocks_when_the_bot_may_not_pause_it() -> None:
    scaler = Scaler(kind="HorizontalPodAutoscaler", name="keda-hpa-payments", minimum=1, maximum=9)
    found = check_scalers(Scalers(autoscaler=scaler, hidden="payments"), "payments", restored=2)
    assert found.verdict is PreflightVerdict.BLOCK
    assert "ScaledObject payments" in found.sentence


async def test_a_scaled_deployment_is_blocked_where_the_catalog_says_refuse(revision: Shop) -> None:
    autoscale(revision, minimum=2)
    strict = replace(revision, service=service(autoscaler="refuse"))
    assert [block.name for block in (await strict.plan()).blocks] == ["Autoscaler"]


def scaled_object(shop: Shop) -> GVR:
    gvr = define(shop.cluster, "keda.sh", "v1alpha1", "ScaledObject", "scaledobjects", status=True)
    shop.cluster.apply(
        {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": {"name": "payments", "namespace": NAMESPACE},
            "spec": {"scaleTargetRef": {"name": "payments"}, "minReplicaCount": 1},
        }
    )
    return gvr


async def keda(shop: Shop, gvr: GVR) -> None:
    """KEDA with an active trigger: from zero it scales to one, unless it is paused."""
    subscription = shop.cluster.store.subscribe()
    async for _ in subscription:
        marks = shop.get(gvr, "payments")["metadata"].get("annotations") or {}
        paused = marks.get("autoscaling.keda.sh/paused") == "true"
        if not paused and replicas(shop) == 0:

            def wake(deployment: Manifest) -> None:
                deployment["spec"]["replicas"] = 1

            shop.cluster.store.mutate(DEPLOYMENTS, NAMESPACE, "payments", wake, manager="keda")


async def test_keda_is_paused_while_no_pod_may_run_and_resumed_afterwards(revision: Shop) -> None:
    gvr = scaled_object(revision)
    plan = await revision.plan()
    assert kinds(plan)[0] == "set-fields"
    running = asyncio.create_task(keda(revision, gvr))
    try:
        await revision.run_all(plan)
        await undo(revision, plan)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    marks = revision.get(gvr, "payments")["metadata"].get("annotations") or {}
    assert "autoscaling.keda.sh/paused" not in marks
    assert revision.image() == "shop/payments:v2.1.0"


async def test_the_replicas_of_the_manifest_are_dropped_because_a_scaler_may_own_them(
    files: Shop,
) -> None:
    autoscale(files, minimum=2)
    plan = await files.plan()
    [apply] = [step for step in plan.steps if step.action.kind == "apply-manifest"]
    manifest = cast(dict[str, Any], apply.action.params["manifest"])
    assert "replicas" not in manifest["spec"], "its file says 7"
    assert [step.title for step in plan.steps if "up to" in step.title] == [
        "Scale Deployment payments up to 2"
    ]


async def test_a_variable_of_the_bad_release_does_not_survive_the_old_manifest(files: Shop) -> None:
    files.edit(DEPLOYMENTS, "payments", add_variable)
    await delivery.rolled_out(files.cluster, "payments")
    plan = await files.plan()
    owners = preflight(plan, "Field owners")
    assert owners.verdict is PreflightVerdict.WARN
    assert "ci" in owners.sentence
    await files.run_all(plan)
    assert environment(files) == ["GATEWAY_TOKEN"]
    assert await files.serving_release() == "v2.0.0"


async def test_a_manager_that_the_plan_did_not_name_keeps_its_fields(files: Shop) -> None:
    plan = await files.plan()
    await files.run(plan.steps[0])
    await files.run(plan.steps[1])

    def annotate(deployment: Manifest) -> None:
        deployment["metadata"]["annotations"]["kubernetes.io/change-cause"] = "hands off"

    files.edit(DEPLOYMENTS, "payments", annotate)
    with pytest.raises(WorldMovedError, match="kubectl-edit took over fields"):
        await files.run(plan.steps[2])


async def test_a_lost_answer_to_the_apply_is_found_out_by_looking(files: Shop) -> None:
    plan = await files.plan()
    await files.run(plan.steps[0])
    await files.run(plan.steps[1])
    deaf = replace(files.world, cluster=cast(ClusterPort, LosingAnswers(files.world.cluster)))
    kind = step_kind(plan.steps[2].action.kind)
    with pytest.raises(OutcomeUnknownError):
        await kind.act(plan.steps[2], deaf)
    assert (await kind.observe(plan.steps[2], files.world)).state is StepState.AFTER
    await files.run(plan.steps[2])


async def test_a_manifest_that_the_api_server_refuses_is_blocked(
    files: Shop, tmp_path: Path
) -> None:
    path = tmp_path / "deployment-v2.0.0.yaml"
    manifest = manifests.payments_deployment("v2.0.0")
    manifest["spec"]["selector"] = {"matchLabels": {"app": "payments", "tier": "web"}}
    manifest["spec"]["template"]["metadata"]["labels"]["tier"] = "web"
    path.write_text(yaml.safe_dump(manifest), encoding="utf-8")
    found = preflight(await files.plan(), "Dry run")
    assert found.verdict is PreflightVerdict.BLOCK
    assert "immutable" in found.sentence


async def test_a_webhook_that_is_down_blocks_the_manifest_and_costs_no_other_finding(
    files: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "BACKOFF", Backoff(first=0.01, longest=0.01))
    dead = 'failed calling webhook "policy.example.com": connection refused'
    files.cluster.server.faults.answer(500, verb="patch", times=20, message=dead)
    plan = await files.plan()
    found = preflight(plan, "Dry run")
    assert found.verdict is PreflightVerdict.BLOCK
    assert "Mend the webhook" in found.sentence
    assert preflight(plan, "Rights").verdict is PreflightVerdict.PASS


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read"),
        ("a: [", "cannot be read"),
        ("kind: ConfigMap", "holds no Deployment shop/payments"),
    ],
)
async def test_a_manifest_that_is_missing_or_another_ones_is_named(
    revision: Shop, tmp_path: Path, content: str | None, why: str
) -> None:
    path = tmp_path / "old.yaml"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    wrong = replace(revision, service=service(str(path)))
    with pytest.raises(ConfigurationError, match=why):
        await wrong.plan()


async def test_an_equal_template_is_nothing_to_do_and_takes_nobody_down(revision: Shop) -> None:
    with pytest.raises(RefusedError, match="Nothing to do"):
        await revision.plan("v2.1.0", bad=frozenset())


async def test_a_pod_that_does_not_end_is_named(revision: Shop) -> None:
    plan = await revision.plan()
    name = revision.pods("payments")[0]["metadata"]["name"]

    def hold(pod: Manifest) -> None:
        pod["metadata"]["finalizers"] = ["example.com/hold"]

    revision.edit(PODS, name, hold)
    await revision.run(plan.steps[0])
    await revision.cluster.until(lambda: len(revision.pods("payments")) == 1)
    step = plan.steps[1]
    params: dict[str, Any] = {**step.action.params, "patience_seconds": 0.2}
    hurried = step.model_copy(update={"action": step.action.model_copy(update={"params": params})})
    with pytest.raises(PermanentError, match=name):
        await revision.run(hurried)


async def test_a_missing_secret_of_the_old_release_blocks_before_anybody_is_taken_down(
    revision: Shop,
) -> None:
    revision.cluster.store.delete(SECRETS, NAMESPACE, "payments-credentials")
    assert [block.name for block in (await revision.plan()).blocks] == ["ConfigMaps and Secrets"]


async def test_a_paused_deployment_is_resumed_after_the_template(revision: Shop) -> None:
    def pause(deployment: Manifest) -> None:
        deployment["spec"]["paused"] = True

    revision.edit(DEPLOYMENTS, "payments", pause)
    plan = await revision.plan()
    assert kinds(plan)[2:4] == ["revert-template", "set-paused"]
    await revision.run_all(plan)
    assert await revision.serving_release() == "v2.0.0"


async def test_a_service_without_any_ready_pod_has_no_downtime_to_measure(revision: Shop) -> None:
    revision.cluster.apply(manifests.payments_deployment("v2.3.0-unready", replicas=1))
    revision.cluster.store.mutate(
        DEPLOYMENTS,
        NAMESPACE,
        "payments",
        lambda d: d["spec"].update(strategy={"type": "Recreate"}),
    )
    await revision.cluster.until(
        lambda: (
            [p["spec"]["containers"][0]["image"] for p in revision.pods("payments")]
            == ["shop/payments:v2.3.0-unready"]
        )
    )
    plan = await revision.plan()
    assert preflight(plan, "Downtime").verdict is PreflightVerdict.PASS
    said = await revision.run_all(plan)
    assert "No pod was ready before the rollback" in said[kinds(plan).index("measure-downtime")]


async def test_the_bad_releases_logs_are_saved(revision: Shop) -> None:
    saved = await strategy("recreate").evidence(revision.service, revision.world, release="v2.1.0")
    assert any(one.name.endswith(".log") and "v2.1.0" in one.text for one in saved)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
async def test_the_shell_script_does_the_same_with_kubectl(files: Shop, tmp_path: Path) -> None:
    files.edit(DEPLOYMENTS, "payments", add_variable)
    await delivery.rolled_out(files.cluster, "payments")
    script = (await files.plan("v2.0.0")).script()
    kubeconfig = files.cluster.write_kubeconfig(tmp_path / "person", user="person")
    shell = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        script,
        env={**os.environ, "KUBECONFIG": str(kubeconfig), "HOME": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await shell.communicate()
    assert shell.returncode == 0, output.decode()
    assert await files.serving_release() == "v2.0.0"
    assert environment(files) == ["GATEWAY_TOKEN"]
