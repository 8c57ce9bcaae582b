"""A shop whose canary Flagger analyses, with the gate of its load tester."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import ClientSession, web

from bot.engine.world import World
from sandbox.cluster.base.resources import DEPLOYMENTS
from sandbox.cluster.base.types import GVR, Manifest
from sandbox.cluster.cluster import Cluster
from sandbox.shop import delivery, manifests
from tests.strategies.custom_resources import define
from tests.strategies.support import NAMESPACE, Shop, checkout

CANARIES = GVR(group="flagger.app", version="v1beta1", resource="canaries")


@dataclass
class Gate:
    """The rollback gate of Flagger's load tester (``pkg/loadtester/server.go``)."""

    url: str = ""
    opened: set[str] = field(default_factory=set)
    changes: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        payload = await request.json()
        name = f"rollback.{payload['name']}.{payload['namespace']}"
        verb = request.match_info["verb"]
        self.changes += verb != "check"
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
