"""Canary: the stable side can carry all, the canary gets nothing, and only then it goes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bot.core.errors import ConfigurationError, PermanentError, RefusedError, WorldMovedError
from bot.engine.world import StepState
from bot.incident.plan import Milestone, Plan, PreflightVerdict
from sandbox.cluster.base.resources import DEPLOYMENTS, INGRESSES
from sandbox.cluster.base.types import Manifest
from sandbox.shop import delivery
from strategies.canary.traffic import gateway_rules, istio_routes
from strategies.registry import step_kind, strategy
from tests.strategies.canary_shop import NGINX, ROUTES, VIRTUAL, accept_routes, service, state
from tests.strategies.custom_resources import define
from tests.strategies.support import NAMESPACE, Shop, preflight


def reloaded(plan: Plan) -> Plan:
    return Plan.model_validate_json(plan.model_dump_json())


def kinds(plan: Plan) -> list[str]:
    return [step.action.kind for step in plan.steps]


def scale(shop: Shop, name: str, count: int) -> None:
    def edit(deployment: Manifest) -> None:
        deployment["spec"]["replicas"] = count

    shop.edit(DEPLOYMENTS, name, edit)


async def test_the_order_is_always_stable_ready_weight_zero_drained_scaled_to_zero(
    canary: Shop,
) -> None:
    before = state(canary)
    plan = await canary.plan()
    assert plan.is_safe, plan.blocks
    assert canary.changes() == []
    assert state(canary) == before
    assert reloaded(plan).hash == plan.hash
    assert (plan.from_release, plan.to_release) == ("v2.1.0", "v2.0.0")
    by_replicas = ["check-ready", "scale", "await-no-pods"]
    by_weight = ["check-ready", "set-fields", "await-drain", "scale"]
    assert kinds(plan) in (by_replicas, by_weight)
    assert [step.milestone for step in plan.steps if step.milestone] == [
        Milestone.SWITCHED,
        Milestone.DRAINED,
    ]
    observed = await strategy("canary").observe(canary.service, canary.world)
    assert observed.live_release == "v2.1.0"


async def test_a_canary_that_is_gone_is_nothing_to_roll_back(nginx: Shop) -> None:
    await nginx.run_all(await nginx.plan())
    assert state(nginx)[0] == 0
    with pytest.raises(RefusedError, match="gets no traffic and has no pods"):
        await nginx.plan()


async def test_header_and_cookie_beat_the_weight_and_are_removed(nginx: Shop) -> None:
    plan = await nginx.plan()
    assert "canary-by-header, canary-by-cookie" in preflight(plan, "Routing").sentence
    await nginx.run(plan.steps[1])
    marks = nginx.get(INGRESSES, "checkout-canary")["metadata"]["annotations"]
    assert marks == {NGINX: "true", f"{NGINX}-weight": "0"}


async def test_a_weight_of_zero_alone_is_not_enough_for_users_who_always_get_the_canary(
    nginx: Shop,
) -> None:
    def zero(ingress: Manifest) -> None:
        ingress["metadata"]["annotations"][f"{NGINX}-weight"] = "0"

    nginx.edit(INGRESSES, "checkout-canary", zero)
    observed = await strategy("canary").observe(nginx.service, nginx.world)
    assert observed.live_release == "v2.1.0"
    await nginx.run((await nginx.plan()).steps[1])
    assert await nginx.serving_release() == "v2.0.0"


def test_an_unset_gateway_weight_is_one_and_weights_are_relative() -> None:
    rules = [{"backendRefs": [{"name": "old", "weight": 3}, {"name": "new"}]}]
    split = gateway_rules(rules, "old", "new")
    assert split.share == 0.25
    assert split.routes == [
        {"backendRefs": [{"name": "old", "weight": 3}, {"name": "new", "weight": 0}]}
    ]


def test_all_weights_at_zero_are_an_error_and_never_written() -> None:
    rules = [{"backendRefs": [{"name": "old", "weight": 0}, {"name": "new", "weight": 9}]}]
    refs = gateway_rules(rules, "old", "new").routes[0]["backendRefs"]
    assert [ref["weight"] for ref in refs] == [1, 0]


def test_the_canary_is_taken_out_of_every_rule(route: Shop) -> None:
    rules = route.get(ROUTES, "checkout")["spec"]["rules"]
    split = gateway_rules(rules, "checkout-stable", "checkout-canary")
    assert split.exclusive
    assert split.routes[0]["backendRefs"] == [{"name": "checkout-stable", "port": 80}]
    assert [ref.get("weight") for ref in split.routes[1]["backendRefs"]] == [3, 0]


async def test_the_canary_is_taken_out_of_every_istio_route(istio: Shop) -> None:
    await istio.run((await istio.plan()).steps[1])
    spec = istio.get(VIRTUAL, "checkout")["spec"]
    weights = {
        protocol: [one["weight"] for route in spec[protocol] for one in route["route"]]
        for protocol in ("http", "tcp")
    }
    assert weights == {"http": [80, 0], "tcp": [80, 0]}


def test_an_istio_route_to_the_canary_alone_leads_to_the_stable_subset() -> None:
    hosts = {"stable_host": "web", "canary_host": "web", "virtual_service": "web"}
    subsets = {"stable_subset": "v1", "canary_subset": "v2"}
    target: Any = service("istio", **hosts, **subsets).rollback[0]
    routes = [{"route": [{"destination": {"host": "web", "subset": "v2"}}]}]
    split = istio_routes(routes, target)
    assert split.routes == [{"route": [{"destination": {"host": "web", "subset": "v1"}}]}]


async def test_a_gateway_that_refuses_the_route_ends_the_step(route: Shop) -> None:
    step = (await route.plan()).steps[1]
    refusing = asyncio.create_task(accept_routes(route, accepted="False"))
    with pytest.raises(PermanentError, match="A gateway refuses HTTPRoute checkout"):
        await route.run(step)
    refusing.cancel()
    await asyncio.gather(refusing, return_exceptions=True)


async def test_somebody_elses_weight_stops_the_step_and_is_named(nginx: Shop) -> None:
    step = (await nginx.plan()).steps[1]

    def more(ingress: Manifest) -> None:
        ingress["metadata"]["annotations"][f"{NGINX}-weight"] = "50"

    nginx.edit(INGRESSES, "checkout-canary", more)
    observed = await step_kind("set-fields").observe(step, nginx.world)
    assert (observed.state, "kubectl-edit" in observed.changed_by) == (StepState.OTHER, True)
    with pytest.raises(WorldMovedError, match="kubectl-edit"):
        await step_kind("set-fields").act(step, nginx.world)


async def test_a_status_written_meanwhile_is_no_conflict(nginx: Shop) -> None:
    step = (await nginx.plan()).steps[1]

    def status(ingress: Manifest) -> None:
        ingress["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}

    nginx.cluster.store.mutate(
        INGRESSES, NAMESPACE, "checkout-canary", status, subresource="status"
    )
    await nginx.run(step)


async def test_a_stable_side_that_was_scaled_down_is_blocked_before_it_is_overloaded(
    nginx: Shop,
) -> None:
    scale(nginx, "checkout-blue", 1)
    scale(nginx, "checkout-green", 2)
    await delivery.rolled_out(nginx.cluster, "checkout-blue")
    await delivery.rolled_out(nginx.cluster, "checkout-green")
    found = preflight(await nginx.plan(), "Capacity")
    assert found.verdict is PreflightVerdict.BLOCK
    assert "all traffic needs 2" in found.sentence


async def test_an_autoscaler_sized_the_stable_side_for_its_part_only(nginx: Shop) -> None:
    def half(ingress: Manifest) -> None:
        ingress["metadata"]["annotations"][f"{NGINX}-weight"] = "50"

    nginx.edit(INGRESSES, "checkout-canary", half)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout-blue"}
    nginx.cluster.apply(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "checkout-blue", "namespace": NAMESPACE},
            "spec": {"minReplicas": 1, "maxReplicas": 9, "scaleTargetRef": target},
        }
    )
    assert "all traffic needs 4" in preflight(await nginx.plan(), "Capacity").sentence
    enough = replace(nginx, service=service("nginx", ingress="checkout-canary", full_replicas=2))
    assert preflight(await enough.plan(), "Capacity").verdict is PreflightVerdict.PASS


async def test_a_stable_side_that_lost_pods_after_approval_gets_no_more_traffic(
    nginx: Shop,
) -> None:
    plan = await nginx.plan()
    scale(nginx, "checkout-blue", 1)
    await nginx.cluster.until(
        lambda: nginx.get(DEPLOYMENTS, "checkout-blue")["status"].get("readyReplicas") == 1
    )
    step = plan.steps[0]
    params = {**step.action.params, "patience_seconds": 0.2}
    hurried = step.model_copy(update={"action": step.action.model_copy(update={"params": params})})
    with pytest.raises(PermanentError, match="1 of 1 pods of checkout-blue are ready, 2 needed"):
        await nginx.run(hurried)


async def test_an_object_with_a_controller_is_not_fought(nginx: Shop) -> None:
    def own(ingress: Manifest) -> None:
        owner = {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "checkout",
                 "uid": "1", "controller": True}  # fmt: skip
        ingress["metadata"]["ownerReferences"] = [owner]

    canary_resource = define(nginx.cluster, "flagger.app", "v1beta1", "Canary", "canaries")
    made = nginx.cluster.store.create(
        canary_resource,
        {"metadata": {"name": "checkout", "namespace": NAMESPACE}, "spec": {}},
    )

    def own_by(ingress: Manifest) -> None:
        own(ingress)
        ingress["metadata"]["ownerReferences"][0]["uid"] = made["metadata"]["uid"]

    nginx.edit(INGRESSES, "checkout-canary", own_by)
    found = preflight(await nginx.plan(), "Controller")
    assert found.verdict is PreflightVerdict.BLOCK
    assert "Use traffic: flagger" in found.sentence


async def test_an_ingress_that_is_no_canary_is_explained(nginx: Shop) -> None:
    def plain(ingress: Manifest) -> None:
        del ingress["metadata"]["annotations"][NGINX]

    nginx.edit(INGRESSES, "checkout-canary", plain)
    with pytest.raises(ConfigurationError, match="is not a canary"):
        await nginx.plan()
