"""Clusters whose administrators have taken away what is usually there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count
from typing import Any, cast

import pytest

from bot.clouds.kubernetes import api
from bot.clouds.kubernetes.objects import DEPLOYMENTS, Change, Cluster, Kind, Manifest
from bot.core.backoff import Backoff
from bot.core.errors import PermanentError
from bot.engine.world import World
from bot.incident.plan import PreflightVerdict, Step, StepSpec
from strategies.kubernetes import evidence
from strategies.kubernetes.rollouts import AwaitRollout, AwaitRolloutParams
from strategies.registry import strategy
from tests.strategies.elbv2_aws import HastyClock
from tests.strategies.support import Shop, preflight


async def test_a_bot_that_may_not_ask_for_its_rights_gets_a_plan_that_says_so_and_cannot_run(
    rolling: Shop,
) -> None:
    faults = rolling.cluster.server.faults
    faults.answer(403, times=100, resource="selfsubjectaccessreviews")
    rights = preflight(await rolling.plan(), "Rights")
    assert rights.verdict is PreflightVerdict.BLOCK
    assert "may not ask which rights it has" in rights.sentence
    assert "Bind the ClusterRole system:basic-user" in rights.sentence
    assert "get, list, watch, patch deployments" in rights.sentence


async def test_a_node_that_does_not_answer_costs_its_own_logs_and_no_other_evidence(
    rolling: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "LOGS_SECONDS", 0.3)
    rolling.cluster.server.faults.hang(resource="pods", subresource="log")
    found = await strategy("rolling").evidence(rolling.service, rolling.world, release="v2.1.0")
    kept = {one.name: one.text for one in found}
    logs = [text for name, text in kept.items() if name.endswith(".log")]
    assert sum("could not be read within 0.3 s" in text for text in logs) == 1
    assert sum("listening on" in text for text in logs) == 1
    assert "phase Running" in kept["pods.txt"]
    assert '"kind": "Deployment"' in kept["manifests.json"]


async def test_what_webhooks_say_to_a_dry_run_is_told_with_who_can_help(
    rolling: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "BACKOFF", Backoff(first=0.01, longest=0.01))
    faults = rolling.cluster.server.faults

    denied = 'admission webhook "policy.example.com" denied the request: closed'
    faults.answer(403, verb="patch", message=denied)
    tried = preflight(await rolling.plan(), "Dry run")
    assert tried.verdict is PreflightVerdict.BLOCK
    assert denied in tried.sentence
    assert "No right of the bot is missing" in tried.sentence
    assert "deploy/rbac.yaml" not in tried.sentence

    dead = 'failed calling webhook "policy.example.com": connection refused'
    faults.answer(500, verb="patch", times=5, message=dead)
    tried = preflight(await rolling.plan(), "Dry run")
    assert tried.verdict is PreflightVerdict.BLOCK
    assert "does not answer" in tried.sentence
    assert "Mend the webhook" in tried.sentence

    deaf = 'admission webhook "audit.example.com" does not support dry run'
    faults.answer(400, verb="patch", message=deaf)
    plan = await rolling.plan()
    tried = preflight(plan, "Dry run")
    assert tried.verdict is PreflightVerdict.WARN
    assert "Not checked. A webhook of the cluster takes no dry runs" in tried.sentence
    assert plan.is_safe


class Full:
    """A namespace whose quota lets no new pod in; every attempt has a name of its own."""

    def __init__(self) -> None:
        self._looks = count()

    def _deployment(self) -> Manifest:
        refused = f'pods "payments-{next(self._looks)}" is forbidden: exceeded quota: small'
        failure = {"type": "ReplicaFailure", "status": "True", "message": refused}
        status = {"replicas": 2, "observedGeneration": 1, "conditions": [failure]}
        return {
            "kind": "Deployment",
            "metadata": {"name": "payments", "namespace": "shop", "uid": "u", "generation": 1},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "p"}}, "template": {}},
            "status": status,
        }

    async def get(self, *args: Any, **options: Any) -> Manifest:
        return self._deployment()

    async def list(self, kind: Kind, *args: Any, **options: Any) -> tuple[Manifest, ...]:
        return (self._deployment(),) if kind == DEPLOYMENTS else ()

    async def watch(self, *args: Any, **options: Any) -> AsyncIterator[Change]:
        await asyncio.Event().wait()
        yield Change(type="ADDED", manifest={})


async def test_pods_that_no_quota_lets_in_are_told_after_a_minute_and_not_after_the_deadline(
    aws_world: World, hasty_clock: HastyClock
) -> None:
    params = AwaitRolloutParams(
        namespace="shop",
        kind="Deployment",
        workload="payments",
        release="v2.0.0",
        template={},
        patience_seconds=600,
    )
    step = Step(
        title="Wait",
        action=StepSpec(kind=AwaitRollout.name, params=params.model_dump(mode="json")),
        expects={},
        inverse=None,
        command="",
        estimate_seconds=1,
        changes=False,
    )
    world, begun = replace(aws_world, cluster=cast(Cluster, Full())), hasty_clock.now()
    with pytest.raises(PermanentError, match=r"No progress for 1 min: .*exceeded quota: small"):
        await AwaitRollout().confirm(step, world)
    assert (hasty_clock.now() - begun).total_seconds() < 90
