"""Clusters whose administrators have taken away what is usually there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any, cast

import pytest

from bot.clouds.kubernetes import api
from bot.clouds.kubernetes.objects import DEPLOYMENTS, Change, Cluster, Kind, Manifest
from bot.clouds.kubernetes.ownership import FIELD_MANAGER
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

    writes: Sequence[Manifest] = ()
    """As ``managedFields`` has them."""

    def __init__(self) -> None:
        self._looks = count()

    def _condition(self) -> Manifest:
        refused = f'pods "payments-{next(self._looks)}" is forbidden: exceeded quota: small'
        return {"type": "ReplicaFailure", "status": "True", "message": refused}

    def _deployment(self) -> Manifest:
        status = {"replicas": 2, "observedGeneration": 1, "conditions": [self._condition()]}
        metadata = {"name": "payments", "namespace": "shop", "uid": "u", "generation": 1}
        return {
            "kind": "Deployment",
            "metadata": {**metadata, "managedFields": self.writes},
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


class Late(Full):
    """A Deployment that the bot patched, and whose controller said at some time: too late."""

    def __init__(self, *, patched_at: datetime, exceeded_at: datetime) -> None:
        patch: Manifest = {"f:spec": {"f:template": {"f:spec": {}}}}
        self.writes = [
            {"manager": FIELD_MANAGER, "time": patched_at.isoformat(), "fieldsV1": patch}
        ]
        self._exceeded_at = exceeded_at.isoformat()

    def _condition(self) -> Manifest:
        return {
            "type": "Progressing",
            "status": "False",
            "reason": "ProgressDeadlineExceeded",
            "lastUpdateTime": self._exceeded_at,
        }


def _waiting(patience_seconds: float) -> Step:
    params = AwaitRolloutParams(
        namespace="shop",
        kind="Deployment",
        workload="payments",
        release="v2.0.0",
        template={},
        patience_seconds=patience_seconds,
    )
    return Step(
        title="Wait",
        action=StepSpec(kind=AwaitRollout.name, params=params.model_dump(mode="json")),
        expects={},
        inverse=None,
        command="",
        estimate_seconds=1,
        changes=False,
    )


@pytest.mark.parametrize(
    ("seconds_after", "said"),
    [
        # What an earlier rollout left; the API server's times are whole seconds.
        (-3600, "No progress for 5 min"),
        (0, "No progress for 5 min"),
        (1, "exceeded its progress deadline"),
    ],
)
async def test_only_a_deadline_that_passed_after_the_bots_own_patch_ends_the_wait(
    aws_world: World, hasty_clock: HastyClock, seconds_after: float, said: str
) -> None:
    patched_at = hasty_clock.now().replace(microsecond=0) - timedelta(hours=2)
    late = Late(patched_at=patched_at, exceeded_at=patched_at + timedelta(seconds=seconds_after))
    world = replace(aws_world, cluster=cast(Cluster, late))
    with pytest.raises(PermanentError, match=said):
        await AwaitRollout().confirm(_waiting(300), world)


async def test_pods_that_no_quota_lets_in_are_told_after_a_minute_and_not_after_the_deadline(
    aws_world: World, hasty_clock: HastyClock
) -> None:
    world, begun = replace(aws_world, cluster=cast(Cluster, Full())), hasty_clock.now()
    with pytest.raises(PermanentError, match=r"No progress for 1 min: .*exceeded quota: small"):
        await AwaitRollout().confirm(_waiting(600), world)
    assert (hasty_clock.now() - begun).total_seconds() < 90
