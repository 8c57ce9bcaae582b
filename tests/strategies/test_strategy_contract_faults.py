"""What every strategy promises when something fails, and to those who follow by hand."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from strategies.registry import step_kind, strategy
from tests.strategies.support import Shop
from tests.strategies.test_strategy_contract import changing


async def test_a_lost_answer_to_the_change_is_found_out_by_looking(shop: Shop) -> None:
    plan = await shop.plan()
    step = changing(plan)
    shop.cluster.server.faults.disconnect(verb="patch", after_effect=True)
    kind = step_kind(step.action.kind)
    with pytest.raises(Exception, match="may have been carried out"):
        await kind.act(step, shop.world)
    observed = await kind.observe(step, shop.world)
    assert observed.state == "after"
    assert len(shop.changes()) == 1


async def test_evidence_of_the_bad_release_holds_logs_events_and_manifests(shop: Shop) -> None:
    saved = await strategy(shop.strategy).evidence(shop.service, shop.world, release="v2.1.0")
    names = {one.name for one in saved}
    assert {"pods.txt", "events.txt", "manifests.json"} <= names
    logs = [one.text for one in saved if one.name.endswith(".log")]
    assert logs
    assert all("v2.1.0" in log for log in logs)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
async def test_the_shell_script_of_the_plan_does_the_same_with_kubectl(
    shop: Shop, tmp_path: Path
) -> None:
    script = (await shop.plan()).script()
    kubeconfig = shop.cluster.write_kubeconfig(tmp_path / "person", user="person")
    shell = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        script,
        env={**os.environ, "KUBECONFIG": str(kubeconfig), "HOME": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await shell.communicate()
    assert shell.returncode == 0, output.decode()
    assert await shop.serving_release() == "v2.0.0"
