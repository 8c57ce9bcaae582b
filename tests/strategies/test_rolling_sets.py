"""Rolling back StatefulSets and DaemonSets, and by image where no revision is left."""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.clouds.kubernetes import objects as ports
from bot.core.errors import PermanentError, RefusedError
from bot.engine.world import StepState, World
from bot.incident.plan import Plan, PreflightVerdict
from sandbox.cluster.base.resources import CONTROLLER_REVISIONS, DEPLOYMENTS, PODS, STATEFULSETS
from sandbox.cluster.base.types import Manifest
from sandbox.cluster.cluster import Cluster
from sandbox.shop import manifests
from strategies.kubernetes.preflights import Deletion, check_writes
from strategies.registry import step_kind, strategy
from strategies.rolling.candidates import RollingTarget
from tests.strategies import sets
from tests.strategies.conftest import connected
from tests.strategies.support import NAMESPACE, Shop, preflight


def kinds(plan: Plan) -> list[str]:
    return [step.action.kind for step in plan.steps]


def set_update_strategy(shop: Shop, strategy: dict[str, Any]) -> None:
    def edit(workload: Manifest) -> None:
        workload["spec"]["updateStrategy"] = strategy

    shop.edit(shop.workload, "payments", edit)


async def stuck_at(shop: Shop, version: str) -> None:
    """The release's first pod runs and never gets ready."""
    sets.break_with(shop, version)

    def broken() -> bool:
        pod = shop.cluster.store.peek(PODS, NAMESPACE, "payments-1")
        return pod is not None and sets.releases(shop)["payments-1"] == version

    await shop.cluster.until(broken)


def test_a_deployment_is_still_named_by_its_old_key_and_two_names_are_refused() -> None:
    base = {"strategy": "rolling", "namespace": "shop"}
    short = RollingTarget.model_validate({**base, "deployment": "db"})
    assert short == RollingTarget.model_validate({**base, "workload": "db"})
    assert (short.kind, short.workload) == ("Deployment", "db")
    for other in ({"workload": "x"}, {"kind": "StatefulSet"}):
        with pytest.raises(ValueError, match="either a deployment, or a kind and a workload"):
            RollingTarget.model_validate({**base, "deployment": "db", **other})


async def test_a_stateful_set_goes_back_from_the_highest_ordinal_and_the_order_is_told(
    stateful: Shop,
) -> None:
    plan = await stateful.plan()
    assert kinds(plan) == ["revert-template", "delete-broken-pods", "await-rollout", "verify-pods"]
    assert plan.steps[0].command == (
        "kubectl -n shop rollout undo statefulset/payments --to-revision=1"
    )
    said = await stateful.run_all(plan)
    assert "in the order payments-1, payments-0" in said[2]
    assert said[-1] == "All 2 pods are ready and answer with v2.0.0."
    assert len(sets.revisions(stateful)) == 2, "the old revision is used again"


async def test_a_stateful_set_keeps_its_annotations_as_kubectl_does(stateful: Shop) -> None:
    await stateful.run_all(await stateful.plan())
    annotations = stateful.get(STATEFULSETS, "payments")["metadata"]["annotations"]
    assert annotations["kubernetes.io/change-cause"] == "Deploy payments v2.1.0"
    assert any("volume claims" in text for text in (await stateful.plan("v2.1.0", bad=frozenset()))
               .not_restored)  # fmt: skip


async def test_an_ordered_ready_set_stuck_behind_a_broken_pod_is_freed_by_a_planned_step(
    stateful: Shop,
) -> None:
    await stuck_at(stateful, "v2.3.0-unready")
    plan = await stateful.plan()
    assert plan.from_release == "v2.3.0-unready"
    assert "payments-1" in plan.steps[1].title
    evidence = await strategy("rolling").evidence(
        stateful.service, stateful.world, release=plan.from_release
    )
    assert any("payments-1" in one.name for one in evidence), "its log is kept before"
    await stateful.run_all(plan)
    assert stateful.changes() == ["patch statefulsets/payments", "delete pods/payments-1"]
    assert await stateful.serving_release() == "v2.0.0"


async def test_deletions_are_tried_before_approval_and_a_refusal_blocks(
    stateful: Shop, tmp_path: Path
) -> None:
    await stuck_at(stateful, "v2.3.0-unready")
    assert preflight(await stateful.plan(), "Dry run").verdict is PreflightVerdict.PASS
    tried = [f"{one.verb} {one.name}" for one in stateful.cluster.server.requests if one.dry_run]
    assert sorted(tried) == ["delete payments-1", "patch payments"]
    assert stateful.changes() == []
    async with connected(stateful.cluster, tmp_path, user="reader") as reader:
        world = replace(stateful.world, cluster=reader)
        found = preflight(await replace(stateful, world=world).plan(), "Dry run")
    assert found.verdict is PreflightVerdict.BLOCK
    assert "may not delete pods payments-1" in found.sentence


async def test_a_pod_that_is_gone_when_its_deletion_is_tried_blocks_nothing(
    stateful: Shop,
) -> None:
    gone = Deletion(kind=ports.PODS, namespace=NAMESPACE, name="payments-9", uid="gone")
    anew = Deletion(kind=ports.PODS, namespace=NAMESPACE, name="payments-1", uid="before")
    found = await check_writes(stateful.world.cluster, [gone, anew])
    assert found.verdict is PreflightVerdict.PASS


async def test_by_hand_too_a_broken_pod_that_the_partition_keeps_is_left_alone(
    stateful: Shop, tmp_path: Path
) -> None:
    partition = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    set_update_strategy(stateful, partition)
    command = (await stateful.plan()).steps[1].command
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(
        '#!/bin/sh\nif [ "$3" = delete ]; then printf "%s " "$@"; exit; fi\n'
        'for pod in "1 0/1" "2 0/1" "3 1/1" "10 0/2"; do echo "payments-$pod Running 0 1m"; done\n'
    )
    kubectl.chmod(0o755)
    shell = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        command,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        stdout=asyncio.subprocess.PIPE,
    )
    output = (await shell.communicate())[0].decode()
    assert output == "-n shop delete pod --wait=false payments-2 payments-10 "


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
async def test_the_shell_script_frees_a_stuck_set_with_kubectl_too(
    stateful: Shop, tmp_path: Path
) -> None:
    await stuck_at(stateful, "v2.3.0-unready")
    script = (await stateful.plan()).script()
    kubeconfig = stateful.cluster.write_kubeconfig(tmp_path / "person", user="person")
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
    assert 'pod "payments-1" deleted' in output.decode()
    assert await stateful.serving_release() == "v2.0.0"


async def test_without_the_deletion_the_reverted_set_would_stay_stuck(stateful: Shop) -> None:
    await stuck_at(stateful, "v2.3.0-unready")
    plan = await stateful.plan()
    await stateful.run(plan.steps[0])
    params = {**plan.steps[2].action.params, "patience_seconds": 0.5}
    spec = plan.steps[2].action.model_copy(update={"params": params})
    with pytest.raises(PermanentError, match="No progress"):
        await stateful.run(plan.steps[2].model_copy(update={"action": spec}))


async def test_a_deletion_interrupted_by_death_is_not_repeated_on_the_new_pod(
    stateful: Shop,
) -> None:
    await stuck_at(stateful, "v2.3.0-unready")
    plan = await stateful.plan()
    await stateful.run(plan.steps[0])
    kind = step_kind("delete-broken-pods")
    await kind.act(plan.steps[1], stateful.world)  # killed before confirming
    again = Plan.model_validate_json(plan.model_dump_json())
    for step in again.steps[1:]:
        await stateful.run(step)
    assert stateful.changes().count("delete pods/payments-1") == 1
    assert await stateful.serving_release() == "v2.0.0"


async def test_only_broken_pods_of_other_revisions_are_deleted(stateful: Shop) -> None:
    plan = await stateful.plan()
    await stateful.run(plan.steps[0])
    await sets.rolled_out(stateful)
    observed = await step_kind("delete-broken-pods").observe(plan.steps[1], stateful.world)
    assert observed.state is StepState.AFTER
    await step_kind("delete-broken-pods").act(plan.steps[1], stateful.world)
    assert stateful.changes() == ["patch statefulsets/payments"]


async def test_pods_are_not_deleted_while_the_bad_template_is_live(stateful: Shop) -> None:
    await stuck_at(stateful, "v2.3.0-unready")
    plan = await stateful.plan()
    observed = await step_kind("delete-broken-pods").observe(plan.steps[1], stateful.world)
    assert observed.state is StepState.OTHER


async def test_a_parallel_stateful_set_needs_no_deletion(sandbox: Cluster, world: World) -> None:
    shop = await sets.released(sandbox, world, "StatefulSet", podManagementPolicy="Parallel")
    assert "delete-broken-pods" not in kinds(await shop.plan())


async def test_a_partition_that_keeps_bad_pods_blocks_and_names_them(stateful: Shop) -> None:
    set_update_strategy(stateful, {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}})
    found = preflight(await stateful.plan(), "Update strategy")
    assert found.verdict is PreflightVerdict.BLOCK
    assert "payments-0 at v2.1.0" in found.sentence


async def test_a_partition_is_respected_when_only_higher_ordinals_were_updated(
    stateful: Shop,
) -> None:
    await stateful.run_all(await stateful.plan())
    partition = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    stateful.cluster.apply(sets.workload("StatefulSet", "v2.1.0", updateStrategy=partition))
    await stateful.cluster.until(
        lambda: sets.releases(stateful) == {"payments-0": "v2.0.0", "payments-1": "v2.1.0"}
    )
    await sets.rolled_out(stateful)
    plan = await stateful.plan()
    found = preflight(plan, "Update strategy")
    assert found.verdict is PreflightVerdict.WARN
    said = await stateful.run_all(plan)
    assert "The one pod of payments from partition 1 on runs v2.0.0" in said[2]
    assert sets.releases(stateful) == {"payments-0": "v2.0.0", "payments-1": "v2.0.0"}


async def test_an_on_delete_set_is_refused_with_what_to_do(stateful: Shop) -> None:
    set_update_strategy(stateful, {"type": "OnDelete"})
    found = preflight(await stateful.plan(), "Update strategy")
    assert found.verdict is PreflightVerdict.BLOCK
    assert "OnDelete" in found.sentence
    assert "RollingUpdate" in found.sentence


async def test_a_daemon_set_goes_back_on_every_node(daemons: Shop) -> None:
    plan = await daemons.plan()
    assert kinds(plan) == ["revert-template", "await-rollout", "verify-pods"]
    assert (
        plan.steps[0].command == "kubectl -n shop rollout undo daemonset/payments --to-revision=1"
    )
    before = daemons.image()
    said = await daemons.run_all(plan)
    assert said[-1] == "All 3 pods are ready and answer with v2.0.0."
    inverse = plan.steps[0].inverse
    assert inverse is not None
    await daemons.run(plan.steps[0].model_copy(update={"action": inverse, "inverse": None}))
    assert daemons.image() == before


async def test_a_daemon_set_that_someone_else_changes_stops_the_wait(daemons: Shop) -> None:
    plan = await daemons.plan()
    await daemons.run(plan.steps[0])

    def image(workload: Manifest) -> None:
        workload["spec"]["template"]["spec"]["containers"][0]["image"] = "shop/payments:v1.9.0"

    daemons.edit(daemons.workload, "payments", image)
    with pytest.raises(PermanentError, match="kubectl-edit"):
        await step_kind("await-rollout").confirm(plan.steps[1], daemons.world)


def forget_history(shop: Shop) -> None:
    for revision in shop.cluster.store.list(CONTROLLER_REVISIONS, NAMESPACE):
        if revision["revision"] == 1:
            shop.cluster.store.delete(CONTROLLER_REVISIONS, NAMESPACE, revision["metadata"]["name"])


async def test_without_a_revision_the_image_tag_leads_back_and_the_old_image_is_the_inverse(
    stateful: Shop,
) -> None:
    forget_history(stateful)
    with pytest.raises(RefusedError, match=r"no earlier revision.*known to be good: v2\.0\.0"):
        await stateful.plan()
    plan = await stateful.plan("v2.0.0")
    assert "image of container payments" in plan.steps[0].title
    assert "everything in the pod template but the image" in plan.not_restored[0]
    await stateful.run_all(plan)
    assert stateful.image() == "shop/payments:v2.0.0"
    assert await stateful.serving_release() == "v2.0.0"
    inverse = plan.steps[0].inverse
    assert inverse is not None
    await stateful.run(plan.steps[0].model_copy(update={"action": inverse, "inverse": None}))
    assert stateful.image() == "shop/payments:v2.1.0"


async def test_a_known_good_release_without_a_revision_is_a_choice_but_not_the_default(
    rolling: Shop,
) -> None:
    plan = await rolling.plan(good=("v1.9.0", "v2.0.0"))
    assert plan.to_release == "v2.0.0"
    assert [one.release for one in plan.candidates] == ["v2.0.0", "v1.9.0"]
    plan = await rolling.plan("v1.9.0", good=("v1.9.0",))
    await rolling.run_all(plan)
    assert rolling.image() == "shop/payments:v1.9.0"
    assert rolling.get(DEPLOYMENTS, "payments")["spec"]["template"]["metadata"]["labels"][
        manifests.VERSION_LABEL
    ] == "v1.9.0"  # fmt: skip


async def test_an_image_named_in_full_is_a_target_but_not_one_of_another_repository(
    rolling: Shop,
) -> None:
    plan = await rolling.plan("shop/payments:v1.9.0")
    assert plan.to_release == "v1.9.0"
    with pytest.raises(RefusedError, match="not an image of shop/payments"):
        await rolling.plan("shop/checkout:v1.9.0")
