"""Flagger: it is told through its rollback gate, which is closed again for the next canary."""

from __future__ import annotations

import pytest

from bot.core.errors import PermanentError, RefusedError, WorldMovedError
from bot.incident.plan import Milestone, PreflightVerdict
from sandbox.cluster.base.resources import DEPLOYMENTS
from sandbox.shop import delivery
from strategies.registry import step_kind
from tests.strategies.flagger_shop import CANARIES, Gate, report
from tests.strategies.support import Shop, preflight


async def test_flagger_rolls_back_through_its_gate_which_is_closed_again(
    flagger: Shop, gate: Gate
) -> None:
    plan = await flagger.plan()
    assert (plan.from_release, plan.to_release) == ("v2.1.0", "v2.0.0")
    milestones = [step.milestone for step in plan.steps if step.milestone]
    assert milestones == [Milestone.SWITCHED, Milestone.DRAINED]
    await flagger.run_all(plan)
    assert gate.opened == set()
    assert flagger.changes() == []  # commanded, not fought


async def test_a_canary_that_is_not_analysed_is_refused(idle: Shop) -> None:
    report(idle.cluster, phase="Succeeded")
    with pytest.raises(RefusedError, match="nothing in progress"):
        await idle.plan()


async def test_a_canary_promoted_after_approval_stops_the_step(idle: Shop, gate: Gate) -> None:
    step = (await idle.plan()).steps[1]
    report(idle.cluster, phase="Promoting")
    with pytest.raises(WorldMovedError, match="is Promoting"):
        await step_kind("rollback-gate").act(step, idle.world)
    assert gate.opened == set()


async def test_a_canary_without_a_rollback_webhook_is_blocked(idle: Shop) -> None:
    idle.edit(CANARIES, "checkout", lambda c: c["spec"]["analysis"].update(webhooks=[]))
    found = preflight(await idle.plan(), "Rollback gate")
    assert found.verdict is PreflightVerdict.BLOCK
    assert "no webhook of type rollback" in found.sentence


async def test_a_primary_that_was_scaled_down_for_its_part_is_blocked(idle: Shop) -> None:
    idle.edit(DEPLOYMENTS, "checkout", lambda d: d["spec"].update(replicas=3))
    await delivery.rolled_out(idle.cluster, "checkout")
    assert "Capacity" in [block.name for block in (await idle.plan()).blocks]


async def test_a_flagger_that_does_not_act_is_named(idle: Shop) -> None:
    step = (await idle.plan()).steps[1]
    params = {**step.action.params, "patience_seconds": 0.2}
    hurried = step.model_copy(update={"action": step.action.model_copy(update={"params": params})})
    with pytest.raises(PermanentError, match="Flagger has not asked the gate yet") as failed:
        await idle.run(hurried)
    assert "stays open; close it before the next canary" in failed.value.remedy
