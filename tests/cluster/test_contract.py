"""The contract suite of the strategies, and what only real controllers can show."""

from __future__ import annotations

import pytest

from bot.clouds.kubernetes.objects import ENDPOINT_SLICES, PODS, REPLICA_SETS, SERVICES, Kind
from bot.clouds.kubernetes.workloads import name_of, release_of
from strategies.common.waiting import Objects, Pending, Selection
from strategies.kubernetes.workload import WORKLOADS
from tests.cluster.stages import VERSION_LABEL, ClusterStage, workload
from tests.strategies.test_strategy_contract import (
    test_a_change_behind_the_bots_back_while_it_waits_is_named,
    test_a_process_killed_after_each_effect_is_resumed_to_the_same_end,
    test_a_process_killed_before_the_effect_is_resumed_to_the_same_end,
    test_a_release_marked_bad_is_blocked_even_when_named,
    test_a_release_marked_bad_is_never_the_default,
    test_an_unknown_release_is_refused_with_the_known_ones,
    test_going_to_the_live_release_is_nothing_to_do,
    test_observing_planning_and_saving_evidence_change_nothing,
    test_running_the_plan_makes_the_target_live_on_every_instance,
    test_running_the_plan_twice_changes_nothing_more,
    test_somebody_elses_change_before_the_step_stops_it_and_is_named,
    test_the_inverse_leads_back_to_where_it_started,
    test_the_live_release_and_where_one_can_go_are_observed,
    test_the_plan_is_safe_and_leads_to_the_last_good_release,
    test_the_same_facts_give_the_same_plan,
    test_without_a_record_of_good_releases_the_plan_warns,
)

__all__ = [
    "test_a_change_behind_the_bots_back_while_it_waits_is_named",
    "test_a_process_killed_after_each_effect_is_resumed_to_the_same_end",
    "test_a_process_killed_before_the_effect_is_resumed_to_the_same_end",
    "test_a_release_marked_bad_is_blocked_even_when_named",
    "test_a_release_marked_bad_is_never_the_default",
    "test_an_unknown_release_is_refused_with_the_known_ones",
    "test_going_to_the_live_release_is_nothing_to_do",
    "test_observing_planning_and_saving_evidence_change_nothing",
    "test_running_the_plan_makes_the_target_live_on_every_instance",
    "test_running_the_plan_twice_changes_nothing_more",
    "test_somebody_elses_change_before_the_step_stops_it_and_is_named",
    "test_the_inverse_leads_back_to_where_it_started",
    "test_the_live_release_and_where_one_can_go_are_observed",
    "test_the_plan_is_safe_and_leads_to_the_last_good_release",
    "test_the_same_facts_give_the_same_plan",
    "test_without_a_record_of_good_releases_the_plan_warns",
]

only_blue_green = pytest.mark.parametrize("shop", ["blue-green"], indirect=True)
only_stateful = pytest.mark.parametrize("shop", ["StatefulSet"], indirect=True)


async def specifications(shop: ClusterStage) -> dict[str, object]:
    """The specification of every object that a strategy could touch."""
    kinds: list[Kind] = [SERVICES, REPLICA_SETS, *WORKLOADS.values()]
    return {
        f"{kind.plural}/{name_of(one)}": [one["spec"], one["metadata"].get("generation")]
        for kind in kinds
        for one in await shop.recorded.list(kind, shop.namespace)
    }


async def test_planning_leaves_every_specification_as_it_is(shop: ClusterStage) -> None:
    before = await specifications(shop)
    await shop.plan()
    assert await specifications(shop) == before


@only_blue_green
async def test_the_endpoints_of_the_service_are_the_targets_pods(shop: ClusterStage) -> None:
    said = await shop.run_all(await shop.plan())
    assert "exactly the 2 ready pods" in said[1]
    slices = await shop.recorded.list(
        ENDPOINT_SLICES, shop.namespace, labels="kubernetes.io/service-name=app"
    )
    names = {end["targetRef"]["name"] for one in slices for end in one.get("endpoints") or []}
    assert len(names) == 2
    assert all(name.startswith("app-blue-") for name in names)


@only_stateful
async def test_a_set_that_is_stuck_behind_a_broken_pod_is_freed(shop: ClusterStage) -> None:
    made = workload("StatefulSet", "app", "v2.2.0-unready", shop.node)
    await shop.apply(WORKLOADS["StatefulSet"], made)

    def stuck(objects: Objects) -> Pending | str:
        bad = [
            pod
            for pod in objects[0]
            if release_of(pod, VERSION_LABEL) == "v2.2.0-unready"
            and (pod.get("status") or {}).get("phase") == "Running"
        ]
        return "stuck" if bad else Pending(summary="not yet")

    await shop.until(stuck, Selection(kind=PODS, namespace=shop.namespace))
    plan = await shop.plan()
    assert "now app-1" in plan.steps[1].title
    said = await shop.run_all(plan)
    assert shop.changes() == ["patch statefulsets/app", "delete pods/app-1"]
    assert "All 2 pods of app run v2.0.0" in said[2]
    assert await shop.serving_release() == "v2.0.0"
