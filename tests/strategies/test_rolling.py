"""Rolling: where a Deployment can go back to, and what stops the way there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from bot.clouds.kubernetes.objects import PODS as PODS_KIND
from bot.clouds.kubernetes.objects import Cluster as ClusterPort
from bot.clouds.kubernetes.objects import Kind
from bot.core.errors import PermanentError, RefusedError, WorldMovedError
from bot.engine.world import StepState
from bot.incident.plan import PreflightVerdict
from sandbox.cluster.base.resources import CONFIGMAPS, DEPLOYMENTS, PODS, REPLICASETS, SECRETS
from sandbox.cluster.base.types import Manifest
from sandbox.shop import delivery, manifests
from strategies.registry import step_kind
from tests.strategies.support import NAMESPACE, Shop, preflight


async def release(shop: Shop, version: str) -> None:
    shop.cluster.apply(manifests.payments_deployment(version, replicas=2))
    await delivery.rolled_out(shop.cluster, "payments")


async def superseded(shop: Shop, version: str) -> None:
    """A release that never came up and was replaced by the bad one again."""
    shop.cluster.apply(manifests.payments_deployment(version, replicas=2))
    await shop.cluster.until(
        lambda: shop.get(DEPLOYMENTS, "payments")["status"].get("updatedReplicas") == 1
    )
    await release(shop, "v2.1.0")


def bookkeeping(shop: Shop) -> dict[str, str]:
    found: dict[str, str] = shop.get(DEPLOYMENTS, "payments")["metadata"]["annotations"]
    return found


def pause(deployment: Manifest) -> None:
    deployment["spec"]["paused"] = True


async def test_every_pod_is_asked_for_its_version_after_the_rollout(rolling: Shop) -> None:
    said = await rolling.run_all(await rolling.plan())
    assert said[-1] == "All 2 pods are ready and answer with v2.0.0."


async def test_the_change_cause_comes_back_and_the_deployments_bookkeeping_stays(
    rolling: Shop,
) -> None:
    await rolling.run_all(await rolling.plan())
    assert bookkeeping(rolling)["kubernetes.io/change-cause"] == "Deploy payments v2.0.0"
    assert bookkeeping(rolling)["deployment.kubernetes.io/revision"] == "3"


async def test_what_is_not_restored_is_said(rolling: Shop) -> None:
    said = " ".join((await rolling.plan()).not_restored)
    assert all(word in said for word in ("replicas", "strategy", "ConfigMaps", "Secrets"))


async def test_a_second_rollback_does_not_return_to_the_bad_release(rolling: Shop) -> None:
    await rolling.run_all(await rolling.plan())
    with pytest.raises(RefusedError, match=r"marked bad \(v2\.1\.0\)"):
        await rolling.plan()


async def test_the_last_known_good_release_is_chosen_over_the_revision_before(
    rolling: Shop,
) -> None:
    await release(rolling, "v2.0.0-broken")
    plan = await rolling.plan(bad=frozenset(), good=("v2.0.0",))
    assert plan.to_release == "v2.0.0"
    assert [c.release for c in plan.candidates] == ["v2.1.0", "v2.0.0"]


async def test_a_revision_can_be_named_by_its_number(rolling: Shop) -> None:
    await release(rolling, "v1.9.0")
    plan = await rolling.plan("2", bad=frozenset())
    assert plan.to_release == "v2.1.0"
    assert plan.steps[0].command == (
        "kubectl -n shop rollout undo deployment/payments --to-revision=2"
    )


async def test_an_unknown_revision_is_refused(rolling: Shop) -> None:
    with pytest.raises(RefusedError, match=r"no release “17”.*revision 1"):
        await rolling.plan("17")


async def test_an_equal_template_is_nothing_to_do_and_no_success(rolling: Shop) -> None:
    with pytest.raises(RefusedError, match="Nothing to do: revision 2"):
        await rolling.plan("2")


async def test_no_history_is_refused_with_its_reason(rolling: Shop) -> None:
    def forget(deployment: Manifest) -> None:
        deployment["spec"]["revisionHistoryLimit"] = 0

    rolling.edit(DEPLOYMENTS, "payments", forget)
    await rolling.cluster.until(
        lambda: len(rolling.cluster.store.list(REPLICASETS, NAMESPACE)) == 1
    )
    with pytest.raises(RefusedError, match=r"no earlier revision.*revisionHistoryLimit is 0"):
        await rolling.plan()


async def test_a_paused_deployment_is_resumed_by_a_step_after_the_template(rolling: Shop) -> None:
    rolling.edit(DEPLOYMENTS, "payments", pause)
    plan = await rolling.plan()
    assert preflight(plan, "Rollout").verdict is PreflightVerdict.WARN
    kinds = [step.action.kind for step in plan.steps]
    assert kinds == ["revert-template", "set-paused", "await-rollout", "verify-pods"]
    # kubectl refuses to undo a paused Deployment, so the command must be the patch itself.
    assert "patch deployment payments --type=json" in plan.steps[0].command
    await rolling.run_all(plan)
    assert rolling.image() == "shop/payments:v2.0.0"
    assert await rolling.serving_release() == "v2.0.0"


async def test_a_stale_progress_deadline_exceeded_does_not_fail_the_new_rollout(
    rolling: Shop,
) -> None:
    def take_time(deployment: Manifest) -> None:
        deployment["spec"]["progressDeadlineSeconds"] = 600

    def exceeded() -> bool:
        status = rolling.get(DEPLOYMENTS, "payments")["status"]
        return any(c.get("reason") == "ProgressDeadlineExceeded" for c in status["conditions"])

    deployment = manifests.payments_deployment("v2.3.0-unready", replicas=2)
    deployment["spec"]["progressDeadlineSeconds"] = 1
    rolling.cluster.apply(deployment)
    await rolling.cluster.until(exceeded)
    rolling.edit(DEPLOYMENTS, "payments", take_time)
    assert exceeded()
    plan = await rolling.plan()
    assert plan.from_release == "v2.3.0-unready"
    await rolling.run_all(plan)
    assert await rolling.serving_release() == "v2.0.0"


async def test_a_progress_deadline_exceeded_after_our_patch_ends_the_wait(rolling: Shop) -> None:
    def hurry(deployment: Manifest) -> None:
        deployment["spec"]["progressDeadlineSeconds"] = 1

    await superseded(rolling, "v2.3.0-unready")
    rolling.edit(DEPLOYMENTS, "payments", hurry)
    plan = await rolling.plan("v2.3.0-unready")
    await rolling.run(plan.steps[0])
    with pytest.raises(PermanentError, match="exceeded its progress deadline"):
        await rolling.run(plan.steps[1])


@pytest.mark.parametrize(
    ("version", "reason"),
    [("v9.9.9", "ErrImagePull|ImagePullBackOff"), ("v2.2.0-crash", "CrashLoopBackOff")],
)
async def test_a_pod_of_the_target_in_image_pull_back_off_or_crash_loop_back_off_fails_fast(
    rolling: Shop, version: str, reason: str
) -> None:
    await superseded(rolling, version)
    plan = await rolling.plan(version)
    await rolling.run(plan.steps[0])
    with pytest.raises(PermanentError, match=rf"({reason}) in container"):
        await rolling.run(plan.steps[1])


async def test_a_create_container_config_error_of_the_target_fails_fast_with_what_is_missing(
    rolling: Shop,
) -> None:
    plan = await rolling.plan()
    rolling.cluster.store.delete(SECRETS, NAMESPACE, "payments-credentials")
    await rolling.run(plan.steps[0])
    missing = r"CreateContainerConfigError in container .*payments-credentials"
    with pytest.raises(PermanentError, match=missing):
        await rolling.run(plan.steps[1])


async def test_a_missing_secret_blocks_before_anything_is_changed(rolling: Shop) -> None:
    rolling.cluster.store.delete(SECRETS, NAMESPACE, "payments-credentials")
    found = preflight(await rolling.plan(), "ConfigMaps and Secrets")
    assert found.verdict is PreflightVerdict.BLOCK
    assert "Secret payments-credentials" in found.sentence


async def test_a_missing_config_map_blocks_before_anything_is_changed(rolling: Shop) -> None:
    rolling.cluster.store.delete(CONFIGMAPS, NAMESPACE, "payments-config")
    found = preflight(await rolling.plan(), "ConfigMaps and Secrets")
    assert "ConfigMap payments-config" in found.sentence


async def test_a_rollout_in_progress_is_superseded_and_the_plan_warns(rolling: Shop) -> None:
    rolling.cluster.apply(manifests.payments_deployment("v2.3.0-unready", replicas=2))
    await rolling.cluster.until(
        lambda: rolling.get(DEPLOYMENTS, "payments")["status"].get("updatedReplicas") == 1
    )
    plan = await rolling.plan()
    assert preflight(plan, "Rollout").verdict is PreflightVerdict.WARN
    await rolling.run_all(plan)
    assert await rolling.serving_release() == "v2.0.0"


async def test_a_crash_looping_deployment_can_be_reverted_while_its_status_changes(
    rolling: Shop,
) -> None:
    rolling.cluster.apply(manifests.payments_deployment("v2.2.0-crash", replicas=2))

    def crashing() -> bool:
        return any(
            status.get("restartCount", 0) > 0
            for pod in rolling.pods("payments")
            for status in pod["status"].get("containerStatuses") or []
        )

    await rolling.cluster.until(crashing)
    plan = await rolling.plan()
    version = rolling.get(DEPLOYMENTS, "payments")["metadata"]["resourceVersion"]
    rolling.cluster.store.mutate(
        DEPLOYMENTS,
        NAMESPACE,
        "payments",
        lambda obj: obj["metadata"].setdefault("labels", {}).update(touched="yes"),
    )
    assert rolling.get(DEPLOYMENTS, "payments")["metadata"]["resourceVersion"] != version
    await rolling.run_all(plan)
    assert await rolling.serving_release() == "v2.0.0"


async def test_a_deployment_that_somebody_pauses_meanwhile_is_not_waited_for_in_vain(
    rolling: Shop,
) -> None:
    plan = await rolling.plan()
    await rolling.run(plan.steps[0])
    rolling.edit(DEPLOYMENTS, "payments", pause)
    kind = step_kind(plan.steps[1].action.kind)
    observed = await kind.observe(plan.steps[1], rolling.world)
    assert observed.state is StepState.OTHER
    assert "kubectl-edit" in observed.changed_by
    with pytest.raises(WorldMovedError, match=r"payments was paused by kubectl-edit"):
        await kind.confirm(plan.steps[1], rolling.world)


async def test_scaling_between_plan_and_run_is_no_conflict(rolling: Shop) -> None:
    plan = await rolling.plan()

    def scale(deployment: Manifest) -> None:
        deployment["spec"]["replicas"] = 3

    rolling.edit(DEPLOYMENTS, "payments", scale)
    said = await rolling.run_all(plan)
    assert said[-1] == "All 3 pods are ready and answer with v2.0.0."


async def test_a_zero_replica_deployment_is_warned_about(rolling: Shop) -> None:
    def scale(deployment: Manifest) -> None:
        deployment["spec"]["replicas"] = 0

    rolling.edit(DEPLOYMENTS, "payments", scale)
    await delivery.rolled_out(rolling.cluster, "payments")
    found = preflight(await rolling.plan(), "Replicas")
    assert found.verdict is PreflightVerdict.WARN


async def test_a_deployment_at_zero_replicas_is_never_called_verified(rolling: Shop) -> None:
    def scale(deployment: Manifest) -> None:
        deployment["spec"]["replicas"] = 0

    plan = await rolling.plan()
    rolling.edit(DEPLOYMENTS, "payments", scale)
    await delivery.rolled_out(rolling.cluster, "payments")
    said = await rolling.run_all(plan)
    assert said[-1] == (
        "Deployment payments stands at 0 replicas: no pod is left, and none could be asked."
    )


async def test_pods_that_are_missing_are_waited_for_and_not_taken_for_verified(
    rolling: Shop,
) -> None:
    plan = await rolling.plan()
    for step in plan.steps[:-1]:
        await rolling.run(step)
    step = plan.steps[-1]
    params = {**step.action.params, "patience_seconds": 0.2}
    hurried = step.model_copy(update={"action": step.action.model_copy(update={"params": params})})
    world = replace(rolling.world, cluster=cast(ClusterPort, WithoutPods(rolling.world.cluster)))
    with pytest.raises(PermanentError, match="0 of 2 pods are there"):
        await step_kind(step.action.kind).confirm(hurried, world)


class WithoutPods:
    """The cluster as it is seen while no pod has been made yet."""

    def __init__(self, cluster: ClusterPort) -> None:
        self._cluster = cluster

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    async def list(self, kind: Kind, *args: Any, **options: Any) -> tuple[Manifest, ...]:
        return () if kind == PODS_KIND else await self._cluster.list(kind, *args, **options)


async def test_a_pod_that_reports_another_version_is_named(rolling: Shop) -> None:
    plan = await rolling.plan()
    for step in plan.steps[:-1]:
        await rolling.run(step)
    step = plan.steps[-1]
    params = {**step.action.params, "release": "v3.0.0", "patience_seconds": 0.2}
    wrong = step.model_copy(update={"action": step.action.model_copy(update={"params": params})})
    with pytest.raises(PermanentError, match=r"payments-.* answers HTTP 200"):
        await step_kind(step.action.kind).confirm(wrong, rolling.world)


async def test_the_rollout_is_done_already_when_it_is_observed_again(rolling: Shop) -> None:
    plan = await rolling.plan()
    await rolling.run_all(plan)
    step = plan.steps[1]
    observed = await step_kind(step.action.kind).observe(step, rolling.world)
    assert observed.state is StepState.AFTER
    assert len(rolling.cluster.store.list(PODS, NAMESPACE)) == 2
