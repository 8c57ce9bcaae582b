"""The example of an extension, built and installed beside the bot as somebody else would."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.store.open import open_untouched
from sandbox.bot_process import BotProcess, free_port
from sandbox.company import manifest
from sandbox.slack.server import SlackServer
from tests.docs.pages import ROOT

EXAMPLE = ROOT / "examples" / "extension"
SOON = "\nverification: {checkpoints: [0.5s], judge: {bucket_seconds: 0.1}}\n"
"""There is nothing to wait for where nothing is measured."""

STORY = ("plan_proposed", "plan_approved", "step_started", "step_finished", "judged")
TOLD = ("are investigating", "are bringing back", "have brought back")
"""Words of what customers are told, in order."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the extension alone; the bot comes from the environment of the tests."""
    folder = tmp_path_factory.mktemp("extension")
    source = folder / "source"
    shutil.copytree(EXAMPLE, source)
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")
    build = ("wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", folder, source)
    subprocess.run([*pip, *build], check=True)
    (wheel,) = folder.glob("*.whl")
    target = folder / "installed"
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "-t", target, wheel], check=True)
    return target


@pytest.fixture
def shop() -> Iterator[str]:
    """The example's own server; the address of what it serves."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, EXAMPLE / "tests" / "shop_server.py", str(port)],
        stdout=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 30
        while True:
            try:
                _read(f"{address}/release")
                break
            except OSError:
                assert time.monotonic() < deadline, "the server does not start"
                time.sleep(0.05)
        yield address
    finally:
        server.kill()
        server.wait()


def _read(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own server
        return json.load(answer)


def _run(installed: Path, folder: Path, *words: str, typed: str = "") -> tuple[int, str]:
    """The installed command with the extension beside it; its code, and all that it printed."""
    ended = subprocess.run(
        [Path(sys.executable).with_name("rollback-bot"), *words],
        input=typed,
        env=_environment(installed),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


def _environment(installed: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "PYTHONPATH": str(installed), "COLUMNS": "200", "LOGNAME": "ana"}


def test_it_keeps_the_contract_that_it_is_shown_how_to_test(installed: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        env=_environment(installed),
        cwd=installed.parent / "source",
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 passed" in ended.stdout


def test_the_catalog_knows_what_it_registers(installed: Path, tmp_path: Path) -> None:
    code, said = _run(installed, EXAMPLE, "check", "--config", "rollback.yml")
    assert (code, said) == (0, "rollback.yml is right. Services: storefront.\n")

    wrong = (EXAMPLE / "rollback.yml").read_text().replace("http-switch", "http-swich")
    (tmp_path / "rollback.yml").write_text(wrong)
    code, said = _run(installed, tmp_path, "check")
    assert code == 1
    assert "feature-flag, http-switch, recreate" in said
    assert "did you mean “http-switch”?" in said

    code, said = _run(installed, tmp_path, "schema")
    assert code == 0
    assert {"HttpSwitchTarget", "NtfyDestination"} <= json.loads(said)["$defs"].keys()


async def test_the_terminal_rolls_back_with_it(installed: Path, tmp_path: Path, shop: str) -> None:
    catalog = (EXAMPLE / "rollback.yml").read_text().replace("http://127.0.0.1:8099", shop)
    (tmp_path / "rollback.yml").write_text(catalog + SOON)
    code, said = _run(installed, tmp_path, "plan", "storefront", "--json")
    assert code == 0, said
    (step,) = json.loads(said)["steps"]
    assert step["kind"] == "switch-release", step
    assert f'\'{{"live": "v2.0.0"}}\' {shop}/release' in step["command"]
    assert _read(f"{shop}/release")["live"] == "v2.1.0"

    code, said = _run(
        installed, tmp_path, "run", "storefront", "--reason", "Empty baskets", typed="storefront\n"
    )
    assert code == 4, said  # nothing measures it, so recovery is not proven
    assert "Switch users from v2.1.0 to v2.0.0" in said
    assert "v2.0.0 is live." in said
    assert _read(f"{shop}/release") == {"live": "v2.0.0", "previous": ["v2.1.0"]}
    (incident,) = set(re.findall(r"INC-\d+-\d+", said))
    recorded = await _events(tmp_path, incident)
    assert [name for name in recorded if name in STORY] == list(STORY)

    code, said = _run(installed, tmp_path, "plan", "storefront")
    assert code != 0
    assert "Every other release was marked bad (v2.1.0)." in said

    await _serve_until_told(installed, tmp_path, f"{shop}/shop/json", times=len(TOLD))
    told = _read(f"{shop}/shop/json")
    assert [word for word, text in zip(TOLD, told, strict=True) if word in text] == list(TOLD)


async def _events(folder: Path, incident: str) -> list[str]:
    """The kinds of what was recorded."""
    store = open_untouched(f"sqlite:///{folder / 'rollback-bot.sqlite3'}")
    await store.start()
    try:
        return [one.event.kind for one in await store.load(incident)]
    finally:
        await store.close()


async def _serve_until_told(installed: Path, folder: Path, topic: str, *, times: int) -> None:
    """What the terminal left owed is sent by a bot that serves."""
    slack = SlackServer(manifest=manifest())
    await slack.start()
    variables = {
        **_environment(installed),
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_APP_TOKEN": slack.app_token,
        "SLACK_API_URL": slack.url,
        "ROLLBACK_PORT": str(free_port()),
    }
    bot = BotProcess(folder=folder, environment=variables)
    try:
        await bot.start()
        async with asyncio.timeout(30):
            # Another process has no way to call us; its receiver is asked until it has them.
            while True:
                if len(await asyncio.to_thread(_read, topic)) >= times:
                    return
                await asyncio.sleep(0.1)
    finally:
        await bot.stop()
        await slack.stop()
