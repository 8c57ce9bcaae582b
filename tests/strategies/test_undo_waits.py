"""An undo of a rolling rollback is done when every pod is back, and not before."""

from __future__ import annotations

import pytest

from bot.clouds.kubernetes.workloads import is_ready
from bot.incident.plan import Plan, Step
from bot.incident.state import Undoing
from bot.incident.transitions import undo_steps
from sandbox.cluster.base.resources import DEPLOYMENTS
from tests.strategies.support import Shop


def undoing(plan: Plan) -> tuple[Step, ...]:
    done = tuple(index for index, step in enumerate(plan.steps) if step.changes)
    return undo_steps(Undoing(plan=plan, done=done))


@pytest.fixture(params=["rolling", "stateful", "daemons"])
def workload(request: pytest.FixtureRequest) -> Shop:
    """Each kind of workload in turn."""
    found: Shop = request.getfixturevalue(request.param)
    return found


async def test_an_undo_ends_when_every_pod_is_that_of_the_release_before(workload: Shop) -> None:
    shop = workload
    plan = await shop.plan()
    await shop.run_all(plan)
    steps = undoing(plan)
    said = [await shop.run(step) for step in steps]
    pods = shop.pods("payments")
    assert {pod["spec"]["containers"][0]["image"] for pod in pods} == {"shop/payments:v2.1.0"}
    assert all(map(is_ready, pods))
    assert said[-1].endswith("pods are ready and answer with v2.1.0.")
    assert [step.action.kind for step in steps][-2:] == ["await-rollout", "verify-pods"]
    assert all(step.command for step in steps)
    assert "take back by hand" not in " ".join(step.command for step in steps)


async def test_a_deployment_that_was_paused_is_paused_again_and_nobody_waits_for_its_pods(
    rolling: Shop,
) -> None:
    rolling.edit(DEPLOYMENTS, "payments", lambda one: one["spec"].update(paused=True))
    plan = await rolling.plan()
    await rolling.run_all(plan)
    steps = undoing(plan)
    assert [step.action.kind for step in steps] == ["set-paused", "revert-template"]
    for step in steps:
        await rolling.run(step)
    spec = rolling.get(DEPLOYMENTS, "payments")["spec"]
    assert spec["paused"] is True
    assert rolling.image() == "shop/payments:v2.1.0"
