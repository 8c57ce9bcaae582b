"""``rollback-bot doctor``: one line for each thing, and what to do about it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from bot.adapters.slack.scopes import OPTIONAL, REQUIRED
from sandbox.company import Company, manifest
from sandbox.slack import SlackServer
from tests.terminal.conftest import QUIET
from tests.terminal.operator import Ended, run, run_all


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def company(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Company]:
    """One company for all; its good release alone is out."""
    async with Company(folder=tmp_path_factory.mktemp("company"), pace=QUIET) as started:
        yield started


def _tokens(slack: SlackServer) -> dict[str, str]:
    return {
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_APP_TOKEN": slack.app_token,
        "SLACK_API_URL": slack.url,
    }


def _line(ended: Ended, subject: str) -> str:
    found = [line for line in ended.out.splitlines() if f"  {subject}: " in line]
    assert len(found) == 1, ended
    return found[0]


def test_the_scopes_are_those_of_the_manifest() -> None:
    asked = set(manifest()["oauth_config"]["scopes"]["bot"])
    assert asked == REQUIRED | set(OPTIONAL)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_sound_installation_passes(
    company: Company,
) -> None:
    early = await run(company, "doctor", slack=True)
    assert early.code == 0, early
    assert "✓ pass" in _line(early, "Slack token")
    assert "Socket Mode opens" in _line(early, "Slack requests")
    assert "All 12 are granted" in _line(early, "Slack scopes")
    assert "! warn" in _line(early, "Store")
    assert "! warn" in _line(early, "checkout, blue-green, plan")
    assert "✓ pass" in _line(early, "checkout, blue-green, rights")
    assert "Counters of 3 pods" in _line(early, "checkout, metrics")
    assert not (company.folder / "bot.sqlite3").exists()


@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_wrong_is_named_with_what_to_do(company: Company, tmp_path: Path) -> None:
    await company.release()
    poor: dict[str, Any] = manifest()
    poor["oauth_config"]["scopes"]["bot"] = sorted(REQUIRED - {"channels:manage"})
    less = SlackServer(manifest=poor)
    await less.start()
    away = yaml.safe_load((company.folder / "kubeconfig").read_text())
    for one in away["clusters"]:
        one["cluster"]["server"] = "http://127.0.0.1:9"
    dead = tmp_path / "kubeconfig"
    dead.write_text(yaml.safe_dump(away))
    good = _tokens(company.slack)
    try:
        late, no_slack, refused, scopes, nowhere, no_catalog = await run_all(
            company,
            [
                (("doctor",), good),
                (("doctor",), {}),
                (("doctor",), {**good, "SLACK_BOT_TOKEN": "xoxb-wrong-1", "SLACK_APP_TOKEN": "x"}),
                (("doctor",), _tokens(less)),
                (("doctor",), {**good, "KUBECONFIG": str(dead)}),
                (("doctor", "--config", "none.yml"), good),
            ],
        )
    finally:
        await less.stop()
    assert late.code == 0, late
    assert "v2.1.0 → v2.0.0" in _line(late, "checkout, blue-green, plan")
    assert "✗ fail" in _line(no_slack, "Slack token")
    assert "SLACK_APP_TOKEN for Socket Mode" in _line(no_slack, "Slack requests")
    assert "invalid_auth" in _line(refused, "Slack token")
    assert "connections:write" in _line(refused, "Slack requests")
    assert "Missing: channels:manage" in _line(scopes, "Slack scopes")
    assert "✗ fail" in _line(nowhere, "checkout, blue-green")
    assert "none.yml cannot be read" in _line(no_catalog, "Catalog")
    for ended in (no_slack, refused, scopes, nowhere, no_catalog):
        assert (ended.code, ended.err) == (1, ""), ended
        assert "Traceback" not in ended.out
        for secret in (*good.values(), "xoxb-wrong-1"):
            assert secret.startswith("http") or secret not in ended.out
