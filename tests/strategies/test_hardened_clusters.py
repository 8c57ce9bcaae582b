"""Clusters whose administrators have taken away what is usually there."""

from __future__ import annotations

import pytest

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
