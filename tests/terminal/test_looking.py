"""Commands that only look: nothing is changed, whatever they are asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from sandbox.cluster.base.resources import DEPLOYMENTS
from sandbox.company import Company
from tests.terminal.conftest import QUIET
from tests.terminal.operator import run, run_all

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def company(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Company]:
    """One company for all: what only looks cannot disturb the next test."""
    async with Company(folder=tmp_path_factory.mktemp("company"), pace=QUIET) as started:
        await started.release()
        yield started


def _writes(company: Company) -> list[str]:
    return [
        f"{request.gvr.resource}"
        for request in company.cluster.server.requests
        if request.user == "rollback-bot" and request.mutates and not request.dry_run
        if request.gvr.resource != "selfsubjectaccessreviews"
    ]


WRONG: tuple[tuple[tuple[str, ...], dict[str, str], str], ...] = (
    (("plan", "chekout"), {}, "Known services: checkout"),
    (("plan", "\udcff\ud83d"), {}, "Known services: checkout"),
    (("plan", "checkout", "--strategy", "magic"), {}, "It offers: blue-green"),
    (("plan", "checkout", "--to", "v9.9.9"), {}, "v9.9.9"),
    (("plan", "checkout", "--config", "nowhere.yml"), {}, "nowhere.yml cannot be read"),
    (("plan", "checkout", "--config", "wrong.yml"), {}, "did you mean “rollback”?"),
    (("plan",), {}, "Missing argument"),
    (("plan", "checkout", "--colour", "red"), {}, "No such option"),
    (("run", "checkout"), {}, "--reason"),
    (("run", "checkout", "--reason", "  "), {}, "The reason is empty"),
    (("run", "checkout", "--reason", "x", "--approved-by", "ben"), {}, "not for checkout"),
    (("resume", "INC-1999-001"), {}, "no incident INC-1999-001"),
    (("report", "INC-1999-001"), {}, "no incident INC-1999-001"),
    (("stats", "--service", "chekout"), {}, "Known services: checkout"),
    (("stats", "--days", "0"), {}, "--days"),
    (("serve",), {}, "SLACK_BOT_TOKEN"),
    (("plan", "checkout"), {"ROLLBACK_DATABASE_URL": "mysql://bot:s3cret@db/x"}, "no store that"),
    (
        ("plan", "checkout"),
        {"ROLLBACK_DATABASE_URL": "postgresql://bot:s3cret@127.0.0.1:9/x"},
        "cannot be reached",
    ),
    (("plan", "checkout"), {"ROLLBACK_PORT": "many"}, "ROLLBACK_PORT"),
    (("plan", "checkout"), {"KUBECONFIG": "nowhere"}, "no kubeconfig file"),
)


async def test_a_plan_is_shown_and_neither_cluster_nor_store_is_touched(company: Company) -> None:
    shown = await run(company, "plan", "checkout")
    assert (shown.code, shown.err) == (0, "")
    for part in ("v2.1.0 → v2.0.0", "blue-green", "Safe to run", "kubectl", "Preflights"):
        assert part in shown.out
    assert _writes(company) == []
    assert sorted(path.name for path in company.folder.iterdir()) == ["kubeconfig", "rollback.yml"]


async def test_a_plan_as_json_and_as_a_script_is_for_programs(company: Company) -> None:
    shown, again, script, listed, counted, told = await run_all(
        company,
        [
            (("plan", "checkout", "--strategy", "blue-green", "--json"), {}),
            (("plan", "checkout", "--json"), {}),
            (("script", "checkout", "--to", "blue"), {}),
            (("incidents",), {}),
            (("stats", "--json"), {}),
            (("stats", "--service", "checkout", "--days", "7"), {}),
        ],
    )
    plan = json.loads(shown.out)
    assert (shown.code, shown.err) == (0, "")
    assert plan["format"] == "rollback-bot/plan/v1"
    assert (plan["from_release"], plan["to_release"]) == ("v2.1.0", "v2.0.0")
    assert (plan["safe"], plan["blocks"]) == (True, [])
    assert len(plan["hash"]) == 64
    assert json.loads(again.out)["hash"] == plan["hash"]
    documented = (Path(__file__).parents[2] / "docs" / "plan-json.md").read_text()
    for key in (*plan, *plan["steps"][0], *plan["preflights"][0], *plan["candidates"][0]):
        assert f"`{key}`" in documented
    assert (script.code, script.err) == (0, "")
    assert script.out.startswith("#!/bin/sh\n")
    shell = await asyncio.create_subprocess_exec("/bin/sh", "-n", stdin=asyncio.subprocess.PIPE)
    await shell.communicate(script.out.encode())
    assert shell.returncode == 0
    assert (listed.code, "no such incident in this store" in listed.out) == (0, True)
    figures = json.loads(counted.out)
    assert (figures["format"], figures["change_fail_rate"]) == ("rollback-bot/stats/v1", None)
    documented = (Path(__file__).parents[2] / "docs" / "home.md").read_text()
    for key in figures:
        assert f"`{key}`" in documented
    assert (told.code, "Last 7 days, checkout" in told.out) == (0, True)
    assert "Not known: Deployments of checkout are not known yet" in told.out


async def test_bad_input_is_answered_in_a_sentence_without_secrets(company: Company) -> None:
    content = yaml.safe_load((company.folder / "rollback.yml").read_text())
    content["services"]["checkout"]["rollbak"] = []
    (company.folder / "wrong.yml").write_text(yaml.safe_dump(content))
    endings = await run_all(company, [(words, changes) for words, changes, _ in WRONG])
    for (words, changes, said), ended in zip(WRONG, endings, strict=True):
        assert (ended.code, ended.out) == (1, ""), (words, changes, ended)
        assert said in " ".join(ended.err.replace("│", " ").split()), (words, changes, ended)
        assert "Traceback" not in ended.err
        assert "s3cret" not in ended.err


async def test_a_plan_that_is_blocked_ends_with_2(company: Company) -> None:
    def none(deployment: dict[str, object]) -> None:
        spec = deployment["spec"]
        assert isinstance(spec, dict)
        spec["replicas"] = 0

    company.cluster.store.mutate(DEPLOYMENTS, "shop", "checkout-blue", none, manager="somebody")
    await company.cluster.until(
        lambda: (
            not company.cluster.store.get(DEPLOYMENTS, "shop", "checkout-blue")["status"].get(
                "readyReplicas"
            )
        )
    )
    shown, scripted, machine = await run_all(
        company,
        [
            (("plan", "checkout"), {}),
            (("script", "checkout"), {}),
            (("plan", "checkout", "--json"), {}),
        ],
    )
    assert shown.code == 2, shown
    assert "NOT SAFE, because:" in shown.out
    assert (scripted.code, scripted.err.startswith("Blocked: ")) == (2, True)
    assert (machine.code, json.loads(machine.out)["safe"]) == (2, False)
