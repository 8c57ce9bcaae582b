"""``rollback-bot doctor``: one line for each thing, and what to do about it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from bot.catalog.catalog import Catalog
from bot.catalog.types import variables_of
from bot.communication.slack.inspection import OPTIONAL, REQUIRED
from bot.core.findings import Finding, Health
from bot.doctor.checkup import Check, examine
from sandbox.bot_process import free_port
from sandbox.catalog import LOG_IN
from sandbox.company import Company, manifest
from sandbox.datadog.server import DatadogServer
from sandbox.neighbours import EVERYBODY, FORGE_TOKEN
from sandbox.slack.server import SlackServer
from tests.terminal.conftest import QUIET
from tests.terminal.operator import Ended, run, run_all

HITS, FAILURES = "shop.hits{app:checkout}", "shop.failures{app:checkout}"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A company that uses everything that its catalog can name, and its Datadog."""

    company: Company
    datadog: DatadogServer

    @property
    def secrets(self) -> dict[str, str]:
        return {
            "DD_API_KEY": self.datadog.api_key,
            "DD_APP_KEY": self.datadog.application_key,
            "HOOK_TOKEN": "hook-token-of-the-sandbox",
        }

    @property
    def good(self) -> dict[str, str]:
        return {**_tokens(self.company.slack), **self.secrets}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """One company for all; its good release alone is out."""
    folder = tmp_path_factory.mktemp("company")
    async with AsyncExitStack() as stack:
        company = Company(
            folder=folder,
            pace=QUIET,
            neighbours=EVERYBODY,
            service_changes={"smoke_tests": [LOG_IN]},
        )
        await stack.enter_async_context(company)
        datadog = DatadogServer()
        await datadog.start()
        stack.push_async_callback(datadog.stop)
        minute = int(time.time()) // 60 * 60
        for metric, value in (("shop.hits", 50.0), ("shop.failures", 1.0)):
            points = [(minute - 60 * ago, value) for ago in range(15)]
            datadog.points.add(metric, ["app:checkout"], points)
        company.change_catalog(lambda catalog: _use_everything(catalog, company, datadog))
        yield Stage(company=company, datadog=datadog)


def _use_everything(catalog: dict[str, Any], company: Company, datadog: DatadogServer) -> None:
    status_page = company.around.status_page.url
    catalog["services"]["shop"] = {
        "rollback": [{"strategy": "rolling", "namespace": "shop", "deployment": "checkout-blue"}],
        "metrics": {
            "provider": "datadog",
            "url": datadog.url,
            "requests": f"sum:{HITS}",
            "errors": f"sum:{FAILURES}",
            "p95": "p95:shop.duration{app:checkout}",
        },
        "release_plan": {"provider": "file", "path": "{release}.md"},
    }
    catalog["destinations"]["partners"] = {
        "kind": "webhook",
        "url": f"{status_page}/hook",
        "token": "HOOK_TOKEN",
    }


def _tokens(slack: SlackServer) -> dict[str, str]:
    return {
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_APP_TOKEN": slack.app_token,
        "SLACK_API_URL": slack.url,
    }


def _line(ended: Ended, subject: str, part: str = "") -> str:
    lines = [line for line in ended.out.splitlines() if f"  {subject}: " in line]
    found = [line for line in lines if part in line]
    assert len(found) == 1, ended
    return found[0]


def test_the_scopes_are_those_of_the_manifest() -> None:
    asked = set(manifest()["oauth_config"]["scopes"]["bot"])
    assert asked == REQUIRED | set(OPTIONAL)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_sound_installation_passes_and_nothing_is_sent(stage: Stage) -> None:
    company = stage.company
    before = {path.name for path in company.folder.iterdir()}
    early = await run(company, "doctor", slack=True, changes=stage.secrets)
    assert early.code == 0, early
    assert "Socket Mode opens" in _line(early, "Slack requests")
    assert "All 12 are granted" in _line(early, "Slack scopes")
    assert "in all 1 that" in _line(early, "Slack channels")
    assert "knows all 4" in _line(early, "Slack people")
    assert "! warn" in _line(early, "Store")
    assert "GITHUB_TOKEN, HOOK_TOKEN, SMOKE_PASSWORD, STATUS" in _line(early, "Variables")
    assert "They render" in _line(early, "Texts")
    assert "with the token" in _line(early, "Alerts")
    assert "incidents of page" in _line(early, "Destination public")
    assert "No mail was sent" in _line(early, "Destination board")
    assert "takes connections. Nothing was sent" in _line(early, "Destination partners")
    assert "acme/shop can be read" in _line(early, "checkout, GitHub")
    assert "only writing can tell" in _line(early, "checkout, GitHub, issues")
    assert "can be written" in _line(early, "shop, release plan")
    assert "! warn" in _line(early, "checkout, blue-green, plan")
    assert "✓ pass" in _line(early, "checkout, blue-green, rights")
    assert "may mark Deployment shop/checkout-blue" in _line(early, "checkout, deploy freeze")
    assert "Counters of 3 pods" in _line(early, "checkout, metrics")
    assert "250 requests, 5 failed" in _line(early, "shop, metrics")
    assert "The 95 % response time" in _line(early, "shop, metrics, beside the counts")
    around = company.around
    assert {path.name for path in company.folder.iterdir()} == before
    assert {call.split()[0] for call in around.status_page.calls} == {"GET"}
    assert not [call for call in around.status_page.calls if call.endswith("/hook")]
    assert {call.split()[0] for call in around.forge.requests} == {"GET"}
    assert around.mail.letters == []
    assert company.refusals == []


WRONG = {
    "STATUSPAGE_API_KEY": "wrong-statuspage-key",
    "GITHUB_TOKEN": "wrong-github-token",
    "DD_APP_KEY": "wrong-application-key",
    "SLACK_BOT_TOKEN": "xoxb-wrong-1",
    "HOOK_TOKEN": "",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def later(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """The doctor once the bad release is out, each time with something else that is wrong."""
    company, good = stage.company, stage.good
    await company.release()
    company.slack.workspace.add_channel("elsewhere", with_bot=False)
    (company.folder / "wrong.yml").write_text(yaml.safe_dump(_wrong(stage)))
    (company.folder / "texts").mkdir()
    (company.folder / "texts" / "update.mrkdwn.j2").write_text("{{ releas }}")
    poor: dict[str, Any] = manifest()
    poor["oauth_config"]["scopes"]["bot"] = sorted(REQUIRED - {"channels:manage"})
    less = SlackServer(manifest=poor)
    await less.start()
    tokens_apart = {name: value for name, value in WRONG.items() if "SLACK" not in name}
    runs: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
        "sound": (("doctor",), good),
        "no Slack": (("doctor",), stage.secrets),
        "refused": (
            ("doctor",),
            {**good, "SLACK_BOT_TOKEN": WRONG["SLACK_BOT_TOKEN"], "SLACK_APP_TOKEN": "x"},
        ),
        "scopes": (("doctor",), {**good, **_tokens(less)}),
        "no cluster": (("doctor",), {**good, "KUBECONFIG": str(_dead(stage, tmp_path_factory))}),
        "no catalog": (("doctor", "--config", "none.yml"), good),
        "check": (("check",), {}),
        "places": (("doctor", "--config", "wrong.yml"), {**good, **tokens_apart}),
    }
    try:
        ended = await run_all(company, list(runs.values()))
    finally:
        await less.stop()
    return dict(zip(runs, ended, strict=True))


def _dead(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kubeconfig that leads nowhere."""
    away = yaml.safe_load((stage.company.folder / "kubeconfig").read_text())
    for one in away["clusters"]:
        one["cluster"]["server"] = "http://127.0.0.1:9"
    dead = tmp_path_factory.mktemp("dead") / "kubeconfig"
    dead.write_text(yaml.safe_dump(away))
    return dead


@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_wrong_is_named_with_what_to_do(later: dict[str, Ended]) -> None:
    assert later["sound"].code == 0, later["sound"]
    assert "v2.1.0 → v2.0.0" in _line(later["sound"], "checkout, blue-green, plan")
    assert "✗ fail" in _line(later["no Slack"], "Slack token")
    assert "SLACK_APP_TOKEN for Socket Mode" in _line(later["no Slack"], "Slack requests")
    assert "invalid_auth" in _line(later["refused"], "Slack token")
    assert "connections:write" in _line(later["refused"], "Slack requests")
    assert "Missing: channels:manage" in _line(later["scopes"], "Slack scopes")
    assert "✗ fail" in _line(later["no cluster"], "checkout, blue-green")
    assert "250 requests" in _line(later["no cluster"], "shop, metrics")
    assert "none.yml cannot be read" in _line(later["no catalog"], "Catalog")


@pytest.mark.asyncio(loop_scope="module")
async def test_a_check_needs_no_network_and_names_what_will_be_needed(
    later: dict[str, Ended],
) -> None:
    ended = later["check"]
    assert "rollback.yml is right. Services: checkout, shop." in ended.out
    assert "will need: DD_API_KEY, DD_APP_KEY, GITHUB_TOKEN, HOOK_TOKEN, SMOKE" in ended.out


@pytest.mark.asyncio(loop_scope="module")
async def test_each_place_fails_alone(later: dict[str, Ended]) -> None:
    ended = later["places"]
    assert "HOOK_TOKEN is not set; destinations.partners.token needs it. → Set it" in _line(
        ended, "Variables"
    )
    assert "not in #elsewhere" in _line(ended, "Slack channels", "not in")
    assert "secret-room is no public channel" in _line(ended, "Slack channels", "no public")
    assert "nobody@example.com" in _line(ended, "Slack people")
    assert "update.mrkdwn.j2:1: 'releas' is undefined" in ended.out
    assert "STATUSPAGE_API_KEY" in _line(ended, "Destination public")
    board = _line(ended, "Destination board")
    assert "cannot be reached (ConnectionRefusedError). → Look whether it is up" in board
    assert "HOOK_TOKEN" in _line(ended, "Destination partners")
    assert "no host nowhere.invalid" in _line(ended, "Destination others")
    assert "GITHUB_TOKEN" in _line(ended, "checkout, GitHub")
    assert "there is no folder" in _line(ended, "shop, release plan")
    assert "✗ fail" in _line(ended, "shop, metrics")
    assert "may not get Deployment elsewhere/shop" in _line(ended, "shop, deploy freeze")
    assert "✓ pass" in _line(ended, "checkout, metrics")


@pytest.mark.asyncio(loop_scope="module")
async def test_failures_end_with_one_and_no_secret_is_shown(
    stage: Stage, later: dict[str, Ended]
) -> None:
    secrets = {*stage.good.values(), *WRONG.values(), FORGE_TOKEN} - {"", stage.company.slack.url}
    for ended in later.values():
        assert "Traceback" not in ended.out
        assert ended.err == "", ended
        assert [secret for secret in secrets if secret in ended.out] == []
    assert {name for name, ended in later.items() if ended.code != 1} == {"sound", "check"}


def _wrong(stage: Stage) -> dict[str, Any]:
    catalog = yaml.safe_load((stage.company.folder / "rollback.yml").read_text())
    shop = catalog["services"]["shop"]
    shop["release_plan"]["path"] = "plans/{release}.md"
    shop["rollback"][0] |= {"namespace": "elsewhere", "deployment": "shop"}
    catalog["destinations"]["board"]["port"] = free_port()
    nowhere = {"kind": "webhook", "url": "https://nowhere.invalid/hook"}
    catalog["destinations"]["others"] = nowhere
    catalog["updates"]["channels"] += ["elsewhere", "secret-room"]
    catalog["people"]["on_call_leads"] += ["nobody@example.com"]
    catalog["texts"] = "texts"
    return dict(catalog)


async def test_a_check_that_hangs_or_breaks_hides_no_other() -> None:
    async def hang() -> list[Finding]:
        await asyncio.Event().wait()
        return []

    async def break_() -> list[Finding]:
        raise KeyError("an answer that nobody foresaw")

    async def work() -> list[Finding]:
        return [Finding(subject="third", health=Health.PASS, what="It works.")]

    looks = {"first": hang, "second": break_, "third": work}
    checks = [Check(subject=name, look=look) for name, look in looks.items()]
    found = [finding async for finding in examine(checks, patience=0.01)]
    assert [(one.subject, one.health.value) for one in found] == [
        ("first", "fail"),
        ("second", "fail"),
        ("third", "pass"),
    ]
    assert "not done after 0.01 s" in found[0].what
    assert "KeyError" in found[1].what


def test_every_variable_that_a_catalog_names_is_known_with_its_places() -> None:
    way = {"strategy": "database", "method": "restore", "database": "shop", "directory": "/dumps"}
    flag = {"strategy": "feature-flag", "provider": "http", "url": "http://f", "flag": "f"}
    catalog = Catalog.model_validate(
        {
            "people": {"release_managers": ["U01"]},
            "services": {
                "shop": {
                    "rollback": [
                        {**flag, "token": "FLAG"},
                        {**way, "connection": {"password_secret": "DATABASE"}},
                    ],
                    "metrics": {
                        "provider": "prometheus",
                        "url": "http://p",
                        "labels": {"job": "shop"},
                        "username": "the-bot",
                        "password": "FLAG",
                    },
                }
            },
        }
    )
    assert variables_of(catalog) == {
        "DATABASE": ("services.shop.rollback.1.connection.password_secret",),
        "FLAG": ("services.shop.rollback.0.token", "services.shop.metrics.password"),
    }
