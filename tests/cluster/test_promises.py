"""What every strategy promises, held by those that need nothing but a control plane."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.objects import Kind
from strategies.kubernetes.workload import WORKLOADS
from tests.cluster.stages import ClusterStage
from tests.strategies.subjects import Subject
from tests.strategies.test_every_strategy import (
    test_killed_before_and_after_every_effect_it_ends_alike_and_twice_is_once,
    test_planning_changes_nothing_and_a_world_that_moves_stops_the_plan,
    test_undo_restores_what_was_recorded,
)

__all__ = [
    "test_killed_before_and_after_every_effect_it_ends_alike_and_twice_is_once",
    "test_planning_changes_nothing_and_a_world_that_moves_stops_the_plan",
    "test_undo_restores_what_was_recorded",
]

INGRESSES = Kind(api_version="networking.k8s.io/v1", plural="ingresses")
NGINX = "nginx.ingress.kubernetes.io/canary"
DEPLOYMENTS = WORKLOADS["Deployment"]


def _entry(target: dict[str, Any]) -> ServiceEntry:
    return ServiceEntry.model_validate(
        {"rollback": [target], "version_path": None, "health_path": None}
    )


def _subject(
    stage: ClusterStage,
    live: Callable[[], Awaitable[object]],
    sabotage: Callable[[], Awaitable[None]],
) -> Subject:
    async def rolled_back() -> bool:
        return await stage.serving_release() == "v2.0.0"

    return Subject(
        shop=stage,
        live=live,
        changes=lambda: len(stage.changes()),
        sabotage=lambda plan: sabotage(),
        rolled_back=rolled_back,
    )


async def _recreated(bare: ClusterStage) -> Subject:
    """A Deployment whose old template is in a ReplicaSet."""
    target = {"strategy": "recreate", "namespace": bare.namespace, "deployment": "app"}
    stage = replace(bare, strategy="recreate", service=_entry(target))
    for version in ("v2.0.0", "v2.1.0"):
        await stage.release(version)

    async def live() -> object:
        spec = (await stage.recorded.get(DEPLOYMENTS, stage.namespace, "app"))["spec"]
        return [spec["replicas"], spec["template"]]

    return _subject(stage, live, stage.sabotage)


async def _canary(bare: ClusterStage, traffic: str) -> Subject:
    """Two pods are stable, and two are the canary."""
    target = {
        "strategy": "canary",
        "traffic": traffic,
        "namespace": bare.namespace,
        "stable": "app-stable",
        "canary": "app-canary",
        "drain_timeout": "0.3s",
    }
    if traffic == "nginx":
        target["ingress"] = "app-canary"
    stage = replace(bare, strategy="canary", service=_entry(target))
    for name, version in (("app-stable", "v2.0.0"), ("app-canary", "v2.1.0")):
        await stage.release(version, name=name)
    if traffic == "nginx":
        await stage.apply(INGRESSES, _ingress())

    async def live() -> object:
        canary = await stage.recorded.get(DEPLOYMENTS, stage.namespace, "app-canary")
        if traffic != "nginx":
            return canary["spec"]["replicas"]
        ingress = await stage.recorded.get(INGRESSES, stage.namespace, "app-canary")
        return [canary["spec"]["replicas"], ingress["metadata"]["annotations"]]

    async def other_traffic() -> None:
        kind, path, value = (
            (INGRESSES, f"/metadata/annotations/{NGINX.replace('/', '~1')}-weight", "50")
            if traffic == "nginx"
            else (DEPLOYMENTS, "/spec/replicas", 1)
        )
        patch = [{"op": "replace", "path": path, "value": value}]
        await stage.administrator.edit(kind, stage.namespace, "app-canary", patch)

    return _subject(stage, live, other_traffic)


def _ingress() -> dict[str, Any]:
    marks = {"": "true", "-weight": "10", "-by-header": "x-canary"}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": "app-canary",
            "annotations": {f"{NGINX}{key}": value for key, value in marks.items()},
        },
        "spec": {
            "ingressClassName": "nginx",
            "defaultBackend": {"service": {"name": "app-canary", "port": {"number": 80}}},
        },
    }


@pytest.fixture(params=["recreate", "replicas", "nginx"])
async def subject(request: pytest.FixtureRequest, bare: ClusterStage) -> Subject:
    """Each in turn; blue-green and rolling have a suite of their own beside this one."""
    if request.param == "recreate":
        return await _recreated(bare)
    return await _canary(bare, request.param)
