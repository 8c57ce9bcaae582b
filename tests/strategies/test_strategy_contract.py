"""What every strategy promises, whatever it changes and in whatever cluster.

tests/cluster runs the same functions against the cluster of a kubeconfig.
"""

from __future__ import annotations

import pytest

from bot.core.errors import RefusedError, WorldMovedError
from bot.incident.plan import Milestone, Plan, PreflightVerdict, Step
from strategies.registry import step_kind, strategy
from tests.strategies.stage import Stage


def reloaded(plan: Plan) -> Plan:
    """The plan as another process reads it from the journal."""
    return Plan.model_validate_json(plan.model_dump_json())


def changing(plan: Plan) -> Step:
    return next(step for step in plan.steps if step.changes)


async def test_observing_planning_and_saving_evidence_change_nothing(shop: Stage) -> None:
    chosen = strategy(shop.strategy)
    before = await shop.live()
    await chosen.observe(shop.service, shop.world)
    await shop.plan()
    await chosen.instances(shop.service, shop.world)
    await chosen.evidence(shop.service, shop.world, release="v2.1.0")
    assert shop.changes() == []
    assert await shop.live() == before


async def test_the_live_release_and_where_one_can_go_are_observed(shop: Stage) -> None:
    observed = await strategy(shop.strategy).observe(shop.service, shop.world)
    assert observed.live_release == "v2.1.0"
    assert [candidate.release for candidate in observed.candidates] == ["v2.0.0"]
    assert observed.released_at is not None


async def test_the_plan_is_safe_and_leads_to_the_last_good_release(shop: Stage) -> None:
    plan = await shop.plan()
    assert plan.is_safe, plan.blocks
    assert (plan.from_release, plan.to_release) == ("v2.1.0", "v2.0.0")
    assert [step.milestone for step in plan.steps if step.milestone] == [
        Milestone.SWITCHED,
        Milestone.DRAINED,
    ]
    assert all(step.inverse for step in plan.steps if step.changes)
    assert plan.not_restored


async def test_the_same_facts_give_the_same_plan(shop: Stage) -> None:
    first, second = await shop.plan(), await shop.plan()
    assert first.hash == second.hash
    assert reloaded(first).hash == first.hash


async def test_running_the_plan_makes_the_target_live_on_every_instance(shop: Stage) -> None:
    await shop.run_all(await shop.plan())
    chosen = strategy(shop.strategy)
    instances = await chosen.instances(shop.service, shop.world)
    assert {instance.release for instance in instances} == {"v2.0.0"}
    assert all(instance.ready for instance in instances)
    assert (await chosen.observe(shop.service, shop.world)).live_release == "v2.0.0"


async def test_running_the_plan_twice_changes_nothing_more(shop: Stage) -> None:
    plan = await shop.plan()
    await shop.run_all(plan)
    changes = shop.changes()
    await shop.run_all(plan)
    assert shop.changes() == changes
    assert len(changes) == 1


async def test_a_process_killed_before_the_effect_is_resumed_to_the_same_end(shop: Stage) -> None:
    plan = await shop.plan()
    for number, step in enumerate(plan.steps):
        await step_kind(step.action.kind).observe(step, shop.world)  # killed before acting
        await shop.run(reloaded(plan).steps[number])
    assert len(shop.changes()) == 1
    assert await shop.serving_release() == "v2.0.0"


async def test_a_process_killed_after_each_effect_is_resumed_to_the_same_end(shop: Stage) -> None:
    plan = await shop.plan()
    for number, step in enumerate(plan.steps):
        if step.changes:
            await step_kind(step.action.kind).act(step, shop.world)  # killed before confirming
        await shop.run(reloaded(plan).steps[number])
    assert len(shop.changes()) == 1
    assert await shop.serving_release() == "v2.0.0"


async def test_somebody_elses_change_before_the_step_stops_it_and_is_named(shop: Stage) -> None:
    step = changing(await shop.plan())
    await shop.sabotage()
    sabotaged = await shop.live()
    observed = await step_kind(step.action.kind).observe(step, shop.world)
    assert observed.state == "other"
    assert "kubectl-edit" in observed.changed_by
    with pytest.raises(WorldMovedError, match="kubectl-edit"):
        await step_kind(step.action.kind).act(step, shop.world)
    assert await shop.live() == sabotaged


async def test_a_change_behind_the_bots_back_while_it_waits_is_named(shop: Stage) -> None:
    plan = await shop.plan()
    step = changing(plan)
    kind = step_kind(step.action.kind)
    await kind.act(step, shop.world)
    await shop.sabotage()
    with pytest.raises(WorldMovedError, match="kubectl-edit"):
        await kind.confirm(step, shop.world)


async def test_the_inverse_leads_back_to_where_it_started(shop: Stage) -> None:
    plan = await shop.plan()
    before = await shop.live()
    await shop.run_all(plan)
    step = changing(plan)
    assert step.inverse is not None
    undo = step.model_copy(update={"action": step.inverse, "inverse": None})
    await shop.run(undo)
    assert await shop.live() == before


async def test_going_to_the_live_release_is_nothing_to_do(shop: Stage) -> None:
    with pytest.raises(RefusedError, match="Nothing to do"):
        await shop.plan("v2.1.0")


async def test_an_unknown_release_is_refused_with_the_known_ones(shop: Stage) -> None:
    with pytest.raises(RefusedError, match=r"no release “v9”.*v2\.0\.0"):
        await shop.plan("v9")


async def test_a_release_marked_bad_is_never_the_default(shop: Stage) -> None:
    with pytest.raises(RefusedError, match="marked bad"):
        await shop.plan(bad=frozenset({"v2.0.0", "v2.1.0"}))


async def test_a_release_marked_bad_is_blocked_even_when_named(shop: Stage) -> None:
    plan = await shop.plan("v2.0.0", bad=frozenset({"v2.0.0"}))
    assert [block.name for block in plan.blocks] == ["Target release"]


async def test_without_a_record_of_good_releases_the_plan_warns(shop: Stage) -> None:
    plan = await shop.plan(good=())
    warnings = [p.name for p in plan.preflights if p.verdict is PreflightVerdict.WARN]
    assert "Target release" in warnings
    assert plan.to_release == "v2.0.0"
