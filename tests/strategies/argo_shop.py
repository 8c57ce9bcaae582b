"""A canary that Argo Rollouts keeps, and the part of the controller that an abort concerns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.engine.world import World
from sandbox.cluster.base.resources import REPLICASETS
from sandbox.cluster.base.types import GVR, Manifest
from sandbox.cluster.cluster import Cluster
from sandbox.shop import manifests
from tests.strategies.custom_resources import define
from tests.strategies.support import NAMESPACE, Shop, checkout

ROLLOUTS = GVR(group="argoproj.io", version="v1alpha1", resource="rollouts")
HASH = "rollouts-pod-template-hash"
OLD, NEW = "5d8f", "7c9b"


def template(version: str) -> Manifest:
    made = manifests.checkout_deployment("blue", version)["spec"]["template"]
    made["metadata"]["labels"].pop("version")
    return dict(made)


class ArgoRollouts:
    """The part of the controller that an abort concerns, as its documentation tells it."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.rollout = {"name": "checkout", "namespace": NAMESPACE}

    def scale(self, name: str, count: int) -> None:
        self._cluster.store.mutate(
            REPLICASETS, NAMESPACE, f"checkout-{name}", lambda r: r["spec"].update(replicas=count)
        )

    def report(self, **status: Any) -> None:
        self._cluster.store.mutate(
            ROLLOUTS,
            NAMESPACE,
            "checkout",
            lambda r: r.setdefault("status", {}).update(status),
            subresource="status",
            manager="rollouts-controller",
        )

    async def run(self) -> None:
        subscription = self._cluster.store.subscribe(after=0)
        async for _ in subscription:
            rollout = self._cluster.store.get(ROLLOUTS, NAMESPACE, "checkout")
            self.reconcile(rollout, rollout.get("status") or {})

    def reconcile(self, rollout: Manifest, status: Manifest) -> None:
        image = rollout["spec"]["template"]["spec"]["containers"][0]["image"]
        wanted = OLD if image.endswith("v2.0.0") else NEW
        if wanted != status.get("currentPodHash"):
            # A changed template ends the aborted state.
            going = {"canary": {"weights": {"canary": {"weight": 0 if wanted == OLD else 20}}}}
            phase = "Healthy" if wanted == OLD else "Progressing"
            self.report(currentPodHash=wanted, abort=False, phase=phase, **going)
            self.scale(NEW, 0 if wanted == OLD else 1)
        elif status.get("abort") and status.get("phase") != "Degraded":
            if status["stableRS"] == status["currentPodHash"]:
                self.scale(OLD, 0)  # argo-rollouts#1292
            self.report(phase="Degraded", canary={"weights": {"canary": {"weight": 0}}})


@pytest.fixture
async def stuck(sandbox: Cluster, world: World) -> Shop:
    """checkout: two stable pods of v2.0.0, a canary of v2.1.0 with 20 %; no controller runs."""
    define(sandbox, "argoproj.io", "v1alpha1", "Rollout", "rollouts", status=True)
    labels = {"app": "checkout"}
    made = sandbox.store.create(
        ROLLOUTS,
        {
            "metadata": {"name": "checkout", "namespace": NAMESPACE},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": labels},
                "template": template("v2.1.0"),
                "strategy": {"canary": {"trafficRouting": {"nginx": {}}}},
            },
        },
    )
    owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "checkout",
             "uid": made["metadata"]["uid"], "controller": True}  # fmt: skip
    for name, version, count in ((OLD, "v2.0.0", 2), (NEW, "v2.1.0", 1)):
        pod = template(version)
        pod["metadata"]["labels"][HASH] = name
        sandbox.store.create(
            REPLICASETS,
            {
                "metadata": {
                    "name": f"checkout-{name}",
                    "namespace": NAMESPACE,
                    "labels": {**labels, HASH: name},
                    "ownerReferences": [owner],
                },
                "spec": {
                    "replicas": count,
                    "selector": {"matchLabels": {**labels, HASH: name}},
                    "template": pod,
                },
            },
        )
    ArgoRollouts(sandbox).report(
        stableRS=OLD,
        currentPodHash=NEW,
        phase="Paused",
        canary={"weights": {"canary": {"weight": 20}}},
    )

    def ready() -> int:
        sets = sandbox.store.list(REPLICASETS, NAMESPACE)
        return sum(one.get("status", {}).get("readyReplicas", 0) for one in sets)

    await sandbox.until(lambda: ready() == 3)
    target = {"strategy": "canary", "traffic": "argo-rollouts", "namespace": NAMESPACE,
              "rollout": "checkout", "drain_timeout": "0.2s"}  # fmt: skip
    entry = checkout(None, rollback=[target], metrics=None)
    return Shop(cluster=sandbox, world=world, strategy="canary", service=entry)


@pytest.fixture
async def argo(stuck: Shop) -> AsyncIterator[Shop]:
    """With the controller running."""
    running = asyncio.create_task(ArgoRollouts(stuck.cluster).run())
    yield stuck
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def status(shop: Shop) -> Manifest:
    return dict(shop.get(ROLLOUTS, "checkout")["status"])
