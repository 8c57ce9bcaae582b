"""Flagger: it is told through its rollback gate, which is closed again for the next canary."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import ClientSession, web

from bot.domain.plan import Milestone, Plan, PreflightVerdict
from bot.errors import PermanentError, RefusedError, WorldMovedError
from bot.ports.world import World
from sandbox.cluster.cluster import Cluster
from sandbox.cluster.resources import DEPLOYMENTS
from sandbox.cluster.types import GVR, Manifest
from sandbox.shop import delivery, manifests
from strategies.registry import step_kind
from tests.strategies.custom_resources import define
from tests.strategies.support import NAMESPACE, Shop, checkout, preflight

CANARIES = GVR(group="flagger.app", version="v1beta1", resource="canaries")


@dataclass
class Gate:
    """The rollback gate of Flagger's load tester (``pkg/loadtester/server.go``)."""

    url: str = ""
    opened: set[str] = field(default_factory=set)

    async def answer(self, request: web.Request) -> web.Response:
        payload = await request.json()
        name = f"rollback.{payload['name']}.{payload['namespace']}"
        verb = request.match_info["verb"]
        if verb == "open":
            self.opened.add(name)
        elif verb == "close":
            self.opened.discard(name)
        elif verb == "check":
            return web.Response(status=200 if name in self.opened else 403)
        return web.Response(status=202)


@pytest.fixture
async def gate() -> AsyncIterator[Gate]:
    kept = Gate()
    app = web.Application()
    app.router.add_post("/rollback/{verb:open|close|check}", kept.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    kept.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield kept
    await runner.cleanup()


def report(cluster: Cluster, **status: object) -> None:
    cluster.store.mutate(
        CANARIES,
        NAMESPACE,
        "checkout",
        lambda c: c.setdefault("status", {}).update(status),
        subresource="status",
        manager="flagger",
    )


def deployment(name: str, version: str, replicas: int) -> Manifest:
    made = manifests.checkout_deployment("blue", version, replicas=replicas)
    made["metadata"]["name"] = name
    labels = {"app": name}
    made["spec"]["selector"] = {"matchLabels": labels}
    made["spec"]["template"]["metadata"]["labels"] = {
        **labels,
        "app.kubernetes.io/version": version,
    }
    return made


@pytest.fixture
async def idle(sandbox: Cluster, world: World, gate: Gate) -> Shop:
    """checkout-primary with v2.0.0, the canary checkout with v2.1.0 and 20 %; no Flagger runs."""
    define(sandbox, "flagger.app", "v1beta1", "Canary", "canaries", status=True)
    sandbox.apply(deployment("checkout-primary", "v2.0.0", 2))
    sandbox.apply(deployment("checkout", "v2.1.0", 1))
    hook = {"name": "gate", "type": "rollback", "url": f"{gate.url}/rollback/check"}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}
    sandbox.store.create(
        CANARIES,
        {
            "metadata": {"name": "checkout", "namespace": NAMESPACE},
            "spec": {"targetRef": target, "analysis": {"interval": "1s", "webhooks": [hook]}},
        },
    )
    report(sandbox, phase="Progressing", canaryWeight=20)
    await delivery.rolled_out(sandbox, "checkout-primary")
    await delivery.rolled_out(sandbox, "checkout")
    entry = {"strategy": "canary", "traffic": "flagger", "namespace": NAMESPACE,
             "canary": "checkout"}  # fmt: skip
    service = checkout(None, rollback=[entry], metrics=None)
    return Shop(cluster=sandbox, world=world, strategy="canary", service=service)


async def analyse(shop: Shop, gate: Gate) -> None:
    """Flagger's loop as far as its rollback hooks go."""
    payload = {"name": "checkout", "namespace": NAMESPACE}
    async with ClientSession() as session:
        while True:
            phase = shop.get(CANARIES, "checkout")["status"]["phase"]
            if phase in {"Progressing", "Waiting", "WaitingPromotion"}:
                async with session.post(f"{gate.url}/rollback/check", json=payload) as answer:
                    told = answer.ok
                if told:
                    report(shop.cluster, canaryWeight=0)
                    shop.cluster.store.mutate(
                        DEPLOYMENTS, NAMESPACE, "checkout", lambda d: d["spec"].update(replicas=0)
                    )
                    report(shop.cluster, phase="Failed")
            await asyncio.sleep(0.02)


@pytest.fixture
async def flagger(idle: Shop, gate: Gate) -> AsyncIterator[Shop]:
    """With Flagger running."""
    running = asyncio.create_task(analyse(idle, gate))
    yield idle
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_flagger_rolls_back_through_its_gate_which_is_closed_again(
    flagger: Shop, gate: Gate
) -> None:
    plan = await flagger.plan()
    assert plan.is_safe, plan.blocks
    assert (gate.opened, flagger.changes()) == (set(), [])
    assert (plan.from_release, plan.to_release) == ("v2.1.0", "v2.0.0")
    assert [s.milestone for s in plan.steps if s.milestone] == [
        Milestone.SWITCHED,
        Milestone.DRAINED,
    ]
    for number, step in enumerate(plan.steps):
        if step.changes:
            await step_kind(step.action.kind).act(step, flagger.world)  # killed before confirming
        await flagger.run(Plan.model_validate_json(plan.model_dump_json()).steps[number])
    assert gate.opened == set()
    assert await flagger.serving_release() == "v2.0.0"
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
    with pytest.raises(PermanentError, match="Flagger has not asked the gate yet"):
        await idle.run(hurried)
