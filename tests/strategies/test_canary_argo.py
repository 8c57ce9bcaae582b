"""Argo Rollouts: the controller is commanded, and only while it has something to abort."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.domain.plan import Milestone, Plan, PreflightVerdict
from bot.errors import PermanentError, RefusedError, WorldMovedError
from bot.ports.world import World
from sandbox.cluster.cluster import Cluster
from sandbox.cluster.resources import REPLICASETS
from sandbox.cluster.types import GVR, Manifest
from sandbox.shop import manifests
from strategies.registry import step_kind, strategy
from tests.strategies.custom_resources import define
from tests.strategies.support import NAMESPACE, Shop, checkout, preflight

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


async def test_the_controller_is_told_to_abort_and_the_bad_template_goes(argo: Shop) -> None:
    plan = await argo.plan()
    assert plan.is_safe, plan.blocks
    assert argo.changes() == []
    assert (plan.from_release, plan.to_release) == ("v2.1.0", "v2.0.0")
    kinds = [step.action.kind for step in plan.steps]
    assert kinds == ["check-ready", "abort-rollout", "await-drain", "set-fields"]
    assert [s.milestone for s in plan.steps if s.milestone] == [
        Milestone.SWITCHED,
        Milestone.DRAINED,
    ]
    for number, step in enumerate(plan.steps):
        if step.changes:
            await step_kind(step.action.kind).act(step, argo.world)  # killed before confirming
        again = Plan.model_validate_json(plan.model_dump_json()).steps[number]
        await argo.run(again)
    await argo.cluster.until(lambda: status(argo)["phase"] == "Healthy")
    assert await argo.serving_release() == "v2.0.0"
    changes = argo.changes()
    assert len(changes) == 2
    await argo.run_all(plan)
    assert argo.changes() == changes  # running it twice changes nothing more


async def test_undo_gives_the_template_back_and_the_canary_begins_again(argo: Shop) -> None:
    before = json.dumps(argo.get(ROLLOUTS, "checkout")["spec"])
    plan = await argo.plan()
    await argo.run_all(plan)
    for step in reversed(plan.steps):
        if step.inverse is not None:
            await argo.run(step.model_copy(update={"action": step.inverse, "inverse": None}))
            await argo.cluster.until(lambda: status(argo)["currentPodHash"] == NEW)
    assert json.dumps(argo.get(ROLLOUTS, "checkout")["spec"]) == before
    assert status(argo)["abort"] is False


async def test_an_abort_with_nothing_in_progress_is_refused(stuck: Shop) -> None:
    ArgoRollouts(stuck.cluster).report(stableRS=NEW, phase="Healthy")
    with pytest.raises(RefusedError, match="nothing in progress"):
        await stuck.plan()


async def test_a_canary_promoted_after_approval_is_not_aborted(argo: Shop) -> None:
    step = (await argo.plan()).steps[1]
    ArgoRollouts(argo.cluster).report(stableRS=NEW, phase="Healthy")
    kind = step_kind("abort-rollout")
    assert (await kind.observe(step, argo.world)).state == "other"
    with pytest.raises(WorldMovedError, match="nothing in progress any more"):
        await kind.act(step, argo.world)
    assert not status(argo).get("abort")


async def test_a_stable_side_below_full_capacity_is_blocked(stuck: Shop) -> None:
    ArgoRollouts(stuck.cluster).scale(OLD, 1)
    await stuck.cluster.until(
        lambda: stuck.get(REPLICASETS, f"checkout-{OLD}")["status"].get("readyReplicas") == 1
    )
    found = preflight(await stuck.plan(), "Capacity")
    assert found.verdict is PreflightVerdict.BLOCK
    assert "argo-rollouts#3941" in found.sentence


async def test_a_controller_that_does_not_act_is_named(stuck: Shop) -> None:
    step = (await stuck.plan()).steps[1]
    params = {**step.action.params, "patience_seconds": 0.2}
    hurried = step.model_copy(update={"action": step.action.model_copy(update={"params": params})})
    with pytest.raises(PermanentError, match="Argo Rollouts has not acted"):
        await stuck.run(hurried)


async def test_the_live_release_is_the_canarys_until_it_is_aborted(argo: Shop) -> None:
    chosen = strategy("canary")
    assert (await chosen.observe(argo.service, argo.world)).live_release == "v2.1.0"
    await argo.run((await argo.plan()).steps[1])
    assert (await chosen.observe(argo.service, argo.world)).live_release == "v2.0.0"
    saved = await chosen.evidence(argo.service, argo.world, release="v2.1.0")
    assert any("v2.1.0" in one.text for one in saved if one.name.endswith(".log"))
