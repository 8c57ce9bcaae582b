"""Argo Rollouts: the controller is commanded, and only while it has something to abort."""

from __future__ import annotations

import pytest

from bot.core.errors import PermanentError, RefusedError, WorldMovedError
from bot.incident.plan import Milestone, PreflightVerdict
from sandbox.cluster.base.resources import REPLICASETS
from strategies.registry import step_kind, strategy
from tests.strategies.argo_shop import NEW, OLD, ArgoRollouts, status
from tests.strategies.support import Shop, preflight


async def test_the_controller_is_told_to_abort_and_the_bad_template_goes(argo: Shop) -> None:
    plan = await argo.plan()
    assert plan.is_safe, plan.blocks
    assert argo.changes() == []
    assert (plan.from_release, plan.to_release) == ("v2.1.0", "v2.0.0")
    kinds = [step.action.kind for step in plan.steps]
    assert kinds == ["check-ready", "abort-rollout", "await-drain", "set-fields"]
    assert [s.milestone for s in plan.steps if s.milestone] == [
        Milestone.SWITCHED,
        Milestone.DRAINED,
    ]
    await argo.run_all(plan)
    await argo.cluster.until(lambda: status(argo)["phase"] == "Healthy")
    assert len(argo.changes()) == 2


async def test_an_abort_with_nothing_in_progress_is_refused(stuck: Shop) -> None:
    ArgoRollouts(stuck.cluster).report(stableRS=NEW, phase="Healthy")
    with pytest.raises(RefusedError, match="nothing in progress"):
        await stuck.plan()


async def test_a_canary_promoted_after_approval_is_not_aborted(argo: Shop) -> None:
    step = (await argo.plan()).steps[1]
    ArgoRollouts(argo.cluster).report(stableRS=NEW, phase="Healthy")
    kind = step_kind("abort-rollout")
    assert (await kind.observe(step, argo.world)).state == "other"
    with pytest.raises(WorldMovedError, match="nothing in progress any more"):
        await kind.act(step, argo.world)
    assert not status(argo).get("abort")


async def test_a_stable_side_below_full_capacity_is_blocked(stuck: Shop) -> None:
    ArgoRollouts(stuck.cluster).scale(OLD, 1)
    await stuck.cluster.until(
        lambda: stuck.get(REPLICASETS, f"checkout-{OLD}")["status"].get("readyReplicas") == 1
    )
    found = preflight(await stuck.plan(), "Capacity")
    assert found.verdict is PreflightVerdict.BLOCK
    assert "argo-rollouts#3941" in found.sentence


async def test_a_controller_that_does_not_act_is_named(stuck: Shop) -> None:
    step = (await stuck.plan()).steps[1]
    params = {**step.action.params, "patience_seconds": 0.2}
    hurried = step.model_copy(update={"action": step.action.model_copy(update={"params": params})})
    with pytest.raises(PermanentError, match="Argo Rollouts has not acted"):
        await stuck.run(hurried)


async def test_the_live_release_is_the_canarys_until_it_is_aborted(argo: Shop) -> None:
    chosen = strategy("canary")
    assert (await chosen.observe(argo.service, argo.world)).live_release == "v2.1.0"
    await argo.run((await argo.plan()).steps[1])
    assert (await chosen.observe(argo.service, argo.world)).live_release == "v2.0.0"
    saved = await chosen.evidence(argo.service, argo.world, release="v2.1.0")
    assert any("v2.1.0" in one.text for one in saved if one.name.endswith(".log"))
