"""One suite over all strategies: what each promises, whatever it changes and wherever."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest

from bot.catalog.service import ServiceEntry
from bot.catalog.target import STRATEGIES
from bot.core.errors import RefusedError, WorldMovedError
from bot.engine.world import OverServices, Strategy
from bot.incident.plan import Concern, Plan
from strategies.registry import strategy
from tests.strategies import subjects
from tests.strategies.subjects import Subject, not_checked, not_tried, reloaded

SUBJECTS: dict[str, dict[str, Callable[..., Subject]]] = {
    "blue-green": {"blue_green": subjects.in_cluster},
    "blue-green-elbv2": {
        "listener_shop": subjects.load_balancer,
        "rule_shop": subjects.load_balancer,
    },
    "canary": {
        "replicas": subjects.split_traffic,
        "nginx": subjects.split_traffic,
        "gateway": subjects.split_traffic,
        "istio": subjects.split_traffic,
        "argo": subjects.argo,
        "flagger": subjects.flagger,
    },
    "composed": {"composed": subjects.composed},
    "feature-flag": {
        "flag_http": subjects.flag,
        "flag_unleash": subjects.flag,
        "flag_launchdarkly": subjects.flag,
        "flag_flagsmith": subjects.flag,
        "flag_appconfig": subjects.flag,
    },
    "recreate": {"revision": subjects.recreated, "files": subjects.recreated},
    "rolling": {
        "rolling": subjects.in_cluster,
        "stateful": subjects.in_cluster,
        "daemons": subjects.in_cluster,
    },
}
"""Strategy → fixture → how to look at it."""
IN_THEIR_OWN_PACKAGES = {"database"}
"""Their fixtures are there, and run the same suite."""
CONCERNS = {
    Concern.DATA: {
        "assess-database",
        "compare-restored",
        "restore-archive",
        "run-alembic",
        "run-migration",
        "swap-databases",
        "verify-database",
    },
    Concern.DOWNTIME: {"measure-downtime"},
}
"""What reports tell in a place of its own → the kinds of the steps."""
FIXTURES = {name: look for found in SUBJECTS.values() for name, look in found.items()}


def test_every_strategy_is_held_to_its_promises() -> None:
    assert SUBJECTS.keys() | IN_THEIR_OWN_PACKAGES == set(STRATEGIES.names)


@pytest.fixture(params=sorted(FIXTURES))
def subject(request: pytest.FixtureRequest) -> Subject:
    """Each strategy in turn, with the bad release live."""
    if request.param == "flagger":
        shop, gate = map(request.getfixturevalue, ("flagger", "gate"))
        return subjects.flagger(shop, gate)
    if request.param == "composed":
        shop, flags = map(request.getfixturevalue, ("blue_green", "flag_http"))
        return subjects.composed(shop, flags)
    return FIXTURES[request.param](request.getfixturevalue(request.param))


def assert_said(chosen: Strategy, plan: Plan, service: ServiceEntry) -> None:
    """What others know of a strategy without planning holds for its plan."""
    ways = [strategy(target.strategy) for target in service.rollback]
    own = ways if isinstance(chosen, OverServices) else [chosen]
    kinds = {kind.name for one in own for kind in one.steps}
    assert {spec.kind for step in plan.steps for spec in (step.action, step.inverse) if spec} <= (
        kinds
    )
    for concern, known in CONCERNS.items():
        told = {step.action.kind for step in plan.steps if step.concerns is concern}
        assert told == known & {step.action.kind for step in plan.steps}
    assert (plan.version_after == "") == (not any(one.moves_users for one in own))


async def test_planning_changes_nothing_and_a_world_that_moves_stops_the_plan(
    subject: Subject,
) -> None:
    shop, before = subject.shop, await subject.live()
    plan = await shop.plan()
    chosen = strategy(plan.strategy)
    await chosen.observe(shop.service, shop.world)
    await chosen.instances(shop.service, shop.world)
    await chosen.evidence(shop.service, shop.world, release=plan.from_release)
    assert plan.is_safe, plan.blocks
    assert_said(chosen, plan, shop.service)
    assert (await shop.plan()).hash == plan.hash == reloaded(plan).hash
    assert (subject.changes(), await subject.live()) == (0, before)

    outcome = subject.sabotage(plan)
    if inspect.isawaitable(outcome):
        await outcome
    sabotaged = (subject.changes(), await subject.live())
    with pytest.raises((WorldMovedError, RefusedError)):
        await subject.run_all(plan)
    assert (subject.changes(), await subject.live()) == sabotaged


async def test_killed_before_and_after_every_effect_it_ends_alike_and_twice_is_once(
    subject: Subject,
) -> None:
    plan = await subject.shop.plan()
    await subject.kill_and_run(plan)
    assert await subject.rolled_back()
    end, changes = await subject.live(), subject.changes()
    assert 1 <= changes <= (subject.at_most or sum(step.changes for step in plan.steps))
    await subject.run_all(reloaded(plan))
    assert (subject.changes(), await subject.live()) == (changes, end)


async def test_undo_restores_what_was_recorded(subject: Subject) -> None:
    before = await subject.live()
    plan = await subject.shop.plan()
    if not subject.restores:
        assert plan.not_reversible
        assert not any(step.inverse for step in plan.steps)
        return
    planned = list(subject.asked())
    await subject.run_all(plan)
    assert await subject.live() != before
    await subject.undo(reloaded(plan))
    run = subject.asked()[len(planned) :]
    assert await subject.live() == before
    assert not await subject.rolled_back()
    # What it did there and back was asked for and tried before anybody approved it.
    assert not_checked(plan, run) == set()
    assert not_tried(planned, run) == set()
    assert all(step.inverse.command for step in plan.steps if step.inverse)
