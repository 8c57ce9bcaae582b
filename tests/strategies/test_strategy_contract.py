"""What every strategy promises, whatever it changes."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from bot.domain.plan import Milestone, Plan, PreflightVerdict, Step
from bot.errors import RefusedError, WorldMovedError
from sandbox.cluster.resources import SERVICES
from sandbox.cluster.types import Manifest
from strategies.registry import step_kind, strategy
from tests.strategies.support import Shop


def live(shop: Shop) -> object:
    """What the strategy changes, as it is now."""
    return shop.selector() if shop.strategy == "blue-green" else shop.image()


def reloaded(plan: Plan) -> Plan:
    """The plan as another process reads it from the journal."""
    return Plan.model_validate_json(plan.model_dump_json())


def sabotage(shop: Shop) -> None:
    """Somebody else changes what the plan was decided upon."""

    def selector(service: Manifest) -> None:
        service["spec"]["selector"] = {"app": "checkout", "version": "green", "zone": "a"}

    def image(deployment: Manifest) -> None:
        containers = deployment["spec"]["template"]["spec"]["containers"]
        containers[0]["image"] = "shop/payments:v1.9.0"

    if shop.strategy == "blue-green":
        shop.edit(SERVICES, "checkout", selector)
    else:
        shop.edit(shop.workload, "payments", image)


def changing(plan: Plan) -> Step:
    return next(step for step in plan.steps if step.changes)


async def test_observing_planning_and_saving_evidence_change_nothing(shop: Shop) -> None:
    chosen = strategy(shop.strategy)
    before = live(shop)
    await chosen.observe(shop.service, shop.world)
    await shop.plan()
    await chosen.instances(shop.service, shop.world)
    await chosen.evidence(shop.service, shop.world, release="v2.1.0")
    assert shop.changes() == []
    assert live(shop) == before


async def test_the_live_release_and_where_one_can_go_are_observed(shop: Shop) -> None:
    observed = await strategy(shop.strategy).observe(shop.service, shop.world)
    assert observed.live_release == "v2.1.0"
    assert [candidate.release for candidate in observed.candidates] == ["v2.0.0"]
    assert observed.released_at is not None


async def test_the_plan_is_safe_and_leads_to_the_last_good_release(shop: Shop) -> None:
    plan = await shop.plan()
    assert plan.is_safe, plan.blocks
    assert (plan.from_release, plan.to_release) == ("v2.1.0", "v2.0.0")
    assert [step.milestone for step in plan.steps if step.milestone] == [
        Milestone.SWITCHED,
        Milestone.DRAINED,
    ]
    assert all(step.inverse for step in plan.steps if step.changes)
    assert plan.not_restored


async def test_the_same_facts_give_the_same_plan(shop: Shop) -> None:
    first, second = await shop.plan(), await shop.plan()
    assert first.hash == second.hash
    assert reloaded(first).hash == first.hash


async def test_running_the_plan_makes_the_target_live_on_every_instance(shop: Shop) -> None:
    await shop.run_all(await shop.plan())
    chosen = strategy(shop.strategy)
    instances = await chosen.instances(shop.service, shop.world)
    assert {instance.release for instance in instances} == {"v2.0.0"}
    assert all(instance.ready for instance in instances)
    assert (await chosen.observe(shop.service, shop.world)).live_release == "v2.0.0"


async def test_running_the_plan_twice_changes_nothing_more(shop: Shop) -> None:
    plan = await shop.plan()
    await shop.run_all(plan)
    changes = shop.changes()
    await shop.run_all(plan)
    assert shop.changes() == changes
    assert len(changes) == 1


async def test_a_process_killed_before_the_effect_is_resumed_to_the_same_end(shop: Shop) -> None:
    plan = await shop.plan()
    for number, step in enumerate(plan.steps):
        await step_kind(step.action.kind).observe(step, shop.world)  # killed before acting
        await shop.run(reloaded(plan).steps[number])
    assert len(shop.changes()) == 1
    assert await shop.serving_release() == "v2.0.0"


async def test_a_process_killed_after_each_effect_is_resumed_to_the_same_end(shop: Shop) -> None:
    plan = await shop.plan()
    for number, step in enumerate(plan.steps):
        if step.changes:
            await step_kind(step.action.kind).act(step, shop.world)  # killed before confirming
        await shop.run(reloaded(plan).steps[number])
    assert len(shop.changes()) == 1
    assert await shop.serving_release() == "v2.0.0"


async def test_a_lost_answer_to_the_change_is_found_out_by_looking(shop: Shop) -> None:
    plan = await shop.plan()
    step = changing(plan)
    shop.cluster.server.faults.disconnect(verb="patch", after_effect=True)
    kind = step_kind(step.action.kind)
    with pytest.raises(Exception, match="may have been carried out"):
        await kind.act(step, shop.world)
    observed = await kind.observe(step, shop.world)
    assert observed.state == "after"
    assert len(shop.changes()) == 1


async def test_somebody_elses_change_before_the_step_stops_it_and_is_named(shop: Shop) -> None:
    step = changing(await shop.plan())
    sabotage(shop)
    sabotaged = live(shop)
    observed = await step_kind(step.action.kind).observe(step, shop.world)
    assert observed.state == "other"
    assert "kubectl-edit" in observed.changed_by
    with pytest.raises(WorldMovedError, match="kubectl-edit"):
        await step_kind(step.action.kind).act(step, shop.world)
    assert live(shop) == sabotaged


async def test_a_change_behind_the_bots_back_while_it_waits_is_named(shop: Shop) -> None:
    plan = await shop.plan()
    step = changing(plan)
    kind = step_kind(step.action.kind)
    await kind.act(step, shop.world)
    sabotage(shop)
    with pytest.raises(WorldMovedError, match="kubectl-edit"):
        await kind.confirm(step, shop.world)


async def test_the_inverse_leads_back_to_where_it_started(shop: Shop) -> None:
    plan = await shop.plan()
    before = live(shop)
    await shop.run_all(plan)
    step = changing(plan)
    assert step.inverse is not None
    undo = step.model_copy(update={"action": step.inverse, "inverse": None})
    await shop.run(undo)
    assert live(shop) == before


async def test_going_to_the_live_release_is_nothing_to_do(shop: Shop) -> None:
    with pytest.raises(RefusedError, match="Nothing to do"):
        await shop.plan("v2.1.0")


async def test_an_unknown_release_is_refused_with_the_known_ones(shop: Shop) -> None:
    with pytest.raises(RefusedError, match=r"no release “v9”.*v2\.0\.0"):
        await shop.plan("v9")


async def test_a_release_marked_bad_is_never_the_default(shop: Shop) -> None:
    with pytest.raises(RefusedError, match="marked bad"):
        await shop.plan(bad=frozenset({"v2.0.0", "v2.1.0"}))


async def test_a_release_marked_bad_is_blocked_even_when_named(shop: Shop) -> None:
    plan = await shop.plan("v2.0.0", bad=frozenset({"v2.0.0"}))
    assert [block.name for block in plan.blocks] == ["Target release"]


async def test_without_a_record_of_good_releases_the_plan_warns(shop: Shop) -> None:
    plan = await shop.plan(good=())
    warnings = [p.name for p in plan.preflights if p.verdict is PreflightVerdict.WARN]
    assert "Target release" in warnings
    assert plan.to_release == "v2.0.0"


async def test_evidence_of_the_bad_release_holds_logs_events_and_manifests(shop: Shop) -> None:
    saved = await strategy(shop.strategy).evidence(shop.service, shop.world, release="v2.1.0")
    names = {one.name for one in saved}
    assert {"pods.txt", "events.txt", "manifests.json"} <= names
    logs = [one.text for one in saved if one.name.endswith(".log")]
    assert logs
    assert all("v2.1.0" in log for log in logs)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
async def test_the_shell_script_of_the_plan_does_the_same_with_kubectl(
    shop: Shop, tmp_path: Path
) -> None:
    script = (await shop.plan()).script()
    kubeconfig = shop.cluster.write_kubeconfig(tmp_path / "person", user="person")
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
    assert await shop.serving_release() == "v2.0.0"
