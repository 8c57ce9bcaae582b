"""Clusters whose administrators have taken away what is usually there."""

from __future__ import annotations

import pytest

from bot.adapters.kubernetes import retries
from bot.domain.plan import PreflightVerdict
from strategies.kubernetes import evidence
from strategies.registry import strategy
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


async def test_a_webhook_that_denies_is_named_and_no_right_is_said_to_be_missing(
    rolling: Shop,
) -> None:
    denied = 'admission webhook "policy.example.com" denied the request: closed'
    rolling.cluster.server.faults.answer(403, verb="patch", message=denied)
    tried = preflight(await rolling.plan(), "Dry run")
    assert tried.verdict is PreflightVerdict.BLOCK
    assert 'webhook "policy.example.com" denied the request: closed' in tried.sentence
    assert "No right of the bot is missing" in tried.sentence
    assert "deploy/rbac.yaml" not in tried.sentence


async def test_a_webhook_that_takes_no_dry_run_leaves_the_answer_open_and_blocks_nothing(
    rolling: Shop,
) -> None:
    deaf = 'admission webhook "audit.example.com" does not support dry run'
    rolling.cluster.server.faults.answer(400, verb="patch", message=deaf)
    plan = await rolling.plan()
    tried = preflight(plan, "Dry run")
    assert tried.verdict is PreflightVerdict.WARN
    assert "Not checked. A webhook of the cluster takes no dry runs" in tried.sentence
    assert plan.is_safe


async def test_a_webhook_that_is_away_blocks_with_what_to_do_and_costs_no_plan(
    rolling: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "PAUSES", (0.01,) * 4)
    dead = 'failed calling webhook "policy.example.com": connection refused'
    rolling.cluster.server.faults.answer(500, verb="patch", times=5, message=dead)
    tried = preflight(await rolling.plan(), "Dry run")
    assert tried.verdict is PreflightVerdict.BLOCK
    assert "does not answer" in tried.sentence
    assert "Mend the webhook" in tried.sentence
