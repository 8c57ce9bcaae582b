"""Argo CD and Flux undo manual changes: a planned step suspends them first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.core.errors import PermanentError, WorldMovedError
from bot.engine.world import StepState
from bot.incident.plan import Plan, PreflightVerdict, Step
from sandbox.cluster.base.resources import DEPLOYMENTS, SERVICES
from sandbox.cluster.base.types import Manifest
from sandbox.cluster.cluster import Cluster
from strategies.database.target import Writer
from strategies.database.writers import check_writers, record_writers
from strategies.registry import step_kind
from tests.strategies import gitops_tools as gitops
from tests.strategies.conftest import connected
from tests.strategies.support import NAMESPACE, Shop, preflight


def hurried(plan: Plan) -> Plan:
    """The plan with a short look after the suspension: nobody asserts anything here."""
    first = plan.steps[0]
    params = {**first.action.params, "settle_seconds": 0.2}
    inverse = first.inverse and first.inverse.model_copy(
        update={"params": {**first.inverse.params, "settle_seconds": 0.0}}
    )
    action = first.action.model_copy(update={"params": params})
    step = first.model_copy(update={"action": action, "inverse": inverse})
    return plan.model_copy(update={"steps": (step, *plan.steps[1:])})


def undone(step: Step) -> Step:
    assert step.inverse is not None
    return step.model_copy(update={"action": step.inverse, "inverse": None})


@pytest.fixture
async def healed(rolling: Shop) -> AsyncIterator[tuple[Shop, list[str]]]:
    """payments under an Argo CD that heals by itself; with a list of what it healed."""
    gitops.install_argo(rolling.cluster)
    marks = {gitops.TRACKING: "shop:apps/Deployment:shop/payments"}
    gitops.tracked(rolling.cluster, DEPLOYMENTS, "payments", annotations=marks)
    async with gitops.argo_cd(rolling.cluster, DEPLOYMENTS, "payments") as done:
        yield rolling, done


async def test_without_suspension_argo_cd_undoes_the_rollback_and_it_is_noticed(
    healed: tuple[Shop, list[str]],
) -> None:
    shop, done = healed
    plan = await shop.plan()
    unsuspended = plan.model_copy(update={"steps": plan.steps[1:]})
    with pytest.raises(WorldMovedError, match="argocd-controller"):
        await shop.run_all(unsuspended)
    assert done
    assert shop.image() == "shop/payments:v2.1.0"


async def test_with_the_suspension_as_first_step_the_rollback_stays(
    healed: tuple[Shop, list[str]],
) -> None:
    shop, done = healed
    plan = hurried(await shop.plan())
    assert plan.is_safe, plan.blocks
    assert preflight(plan, "GitOps").verdict is PreflightVerdict.WARN
    assert plan.steps[0].title == "Suspend Argo CD Application shop, which would undo the rollback"
    said = await shop.run_all(plan)
    assert "is suspended and stayed so" in said[0]
    assert gitops.automation(shop.cluster) is None
    assert await shop.serving_release() == "v2.0.0"
    assert done == []


async def test_the_plan_says_that_gitops_stays_suspended_and_how_to_resume(
    healed: tuple[Shop, list[str]],
) -> None:
    shop, _ = healed
    plan = await shop.plan()
    # Said again once a day while it stands.
    assert plan.steps[0].reminder == (
        "Revert git itself, and then resume Argo CD Application shop:"
    )
    said = plan.not_restored[-1]
    assert "stays suspended until git itself is reverted" in said
    assert "kubectl -n argocd patch applications.argoproj.io shop --type=json" in said
    assert '"selfHeal":true' in said


async def test_undo_restores_the_recorded_automation_after_the_old_template(
    healed: tuple[Shop, list[str]],
) -> None:
    shop, done = healed
    plan = hurried(await shop.plan())
    await shop.run_all(plan)
    for step in reversed([one for one in plan.steps if one.changes]):
        await shop.run(undone(step))
    assert gitops.automation(shop.cluster) == gitops.AUTOMATED
    assert shop.image() == "shop/payments:v2.1.0"
    assert done == [], "git and the live object agree again before it goes on"


async def test_a_suspension_interrupted_after_its_effect_is_found_done(
    healed: tuple[Shop, list[str]],
) -> None:
    shop, _ = healed
    plan = hurried(await shop.plan())
    kind = step_kind("suspend-gitops")
    await kind.act(plan.steps[0], shop.world)  # killed before confirming
    again = Plan.model_validate_json(plan.model_dump_json())
    await shop.run(again.steps[0])
    assert shop.changes() == ["patch applications/shop"]


async def test_a_parent_that_asserts_it_again_is_named(healed: tuple[Shop, list[str]]) -> None:
    shop, _ = healed

    def child(application: Manifest) -> None:
        application["metadata"]["annotations"] = {
            gitops.TRACKING: "root:argoproj.io/Application:argocd/shop"
        }

    def assert_again(application: Manifest) -> None:
        application["spec"]["syncPolicy"]["automated"] = dict(gitops.AUTOMATED)

    store = shop.cluster.store
    store.mutate(gitops.APPLICATIONS, gitops.ARGO, "shop", child)
    plan = hurried(await shop.plan())
    assert "Application root" in preflight(plan, "GitOps").sentence
    running = asyncio.create_task(shop.run(plan.steps[0]))
    await shop.cluster.until(lambda: gitops.automation(shop.cluster) is None)
    store.mutate(
        gitops.APPLICATIONS, gitops.ARGO, "shop", assert_again, manager="argocd-controller"
    )
    with pytest.raises(PermanentError, match=r"argocd-controller.*Application root first"):
        await running


async def test_a_policy_that_somebody_changed_meanwhile_stops_the_step(
    healed: tuple[Shop, list[str]],
) -> None:
    shop, _ = healed
    plan = hurried(await shop.plan())

    def change(application: Manifest) -> None:
        application["spec"]["syncPolicy"]["automated"] = {"prune": False}

    shop.cluster.store.mutate(
        gitops.APPLICATIONS, gitops.ARGO, "shop", change, manager="kubectl-edit"
    )
    observed = await step_kind("suspend-gitops").observe(plan.steps[0], shop.world)
    assert observed.state is StepState.OTHER
    assert "kubectl-edit" in observed.changed_by
    with pytest.raises(WorldMovedError, match="kubectl-edit"):
        await step_kind("suspend-gitops").act(plan.steps[0], shop.world)


async def test_a_sync_that_is_running_is_waited_for(healed: tuple[Shop, list[str]]) -> None:
    shop, _ = healed

    def phase(value: str) -> Any:
        def change(application: Manifest) -> None:
            application["status"] = {"operationState": {"phase": value}}

        return change

    store = shop.cluster.store
    store.mutate(gitops.APPLICATIONS, gitops.ARGO, "shop", phase("Running"))
    plan = hurried(await shop.plan())
    running = asyncio.create_task(shop.run(plan.steps[0]))
    await shop.cluster.until(lambda: gitops.automation(shop.cluster) is None)
    done, _ = await asyncio.wait({running}, timeout=0.5)
    assert not done
    store.mutate(gitops.APPLICATIONS, gitops.ARGO, "shop", phase("Succeeded"))
    assert "is suspended" in await running


async def test_without_the_right_the_plan_is_blocked_and_says_what_to_do(
    healed: tuple[Shop, list[str]], tmp_path: Path
) -> None:
    shop, _ = healed
    async with connected(shop.cluster, tmp_path, user="cautious") as client:
        cautious = replace(shop, world=replace(shop.world, cluster=client))
        plan = await cautious.plan()
    found = preflight(plan, "GitOps")
    assert found.verdict is PreflightVerdict.BLOCK
    assert "argocd app set shop --sync-policy none" in found.sentence
    assert "rollback-bot-gitops-suspend" in found.sentence
    assert plan.steps[0].action.kind == "revert-template"


async def test_a_writer_of_a_database_that_would_be_started_again_blocks_and_says_what_to_do(
    healed: tuple[Shop, list[str]],
) -> None:
    world = healed[0].world
    [writer] = await record_writers(world, [Writer(namespace=NAMESPACE, deployment="payments")])
    checked = await check_writers(world, [writer], connected=())
    [found] = [one for one in checked if one.name == "GitOps"]
    assert found.verdict is PreflightVerdict.BLOCK
    assert found.sentence == (
        "Argo CD Application shop heals Deployment payments by itself and within seconds would "
        "start it again while it has to stand still. Switch it off first and plan again: argocd "
        "app set shop --sync-policy none; wait for the end of the rollback before switching it on "
        "again."
    )


async def test_flux_is_suspended_before_a_service_is_switched_and_resumed_by_undo(
    blue_green: Shop,
) -> None:
    gitops.install_flux(blue_green.cluster)
    labels = {
        "kustomize.toolkit.fluxcd.io/name": "shop",
        "kustomize.toolkit.fluxcd.io/namespace": NAMESPACE,
    }
    gitops.tracked(blue_green.cluster, SERVICES, "checkout", labels=labels)
    plan = hurried(await blue_green.plan())
    assert plan.is_safe, plan.blocks
    assert plan.steps[0].action.kind == "suspend-gitops"
    await blue_green.run_all(plan)
    assert flux(blue_green.cluster)["suspend"] is True
    assert blue_green.selector()["version"] == "blue"
    await blue_green.run(undone(plan.steps[2]))
    await blue_green.run(undone(plan.steps[0]))
    assert "suspend" not in flux(blue_green.cluster), "as it was before"
    assert blue_green.selector()["version"] == "green"


async def test_a_suspended_flux_needs_no_step(blue_green: Shop) -> None:
    gitops.install_flux(blue_green.cluster, suspend=True)
    labels = {
        "kustomize.toolkit.fluxcd.io/name": "shop",
        "kustomize.toolkit.fluxcd.io/namespace": NAMESPACE,
    }
    gitops.tracked(blue_green.cluster, SERVICES, "checkout", labels=labels)
    plan = await blue_green.plan()
    assert preflight(plan, "GitOps").verdict is PreflightVerdict.PASS
    assert "suspend-gitops" not in [step.action.kind for step in plan.steps]


def flux(cluster: Cluster) -> dict[str, Any]:
    found: dict[str, Any] = cluster.store.get(gitops.KUSTOMIZATIONS, NAMESPACE, "shop")["spec"]
    return found
