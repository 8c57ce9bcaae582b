"""The example extension is built, installed beside the bot, and rolls a service back."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from tests.docs.pages import ROOT
from tests.terminal.operator import COMMAND

EXTENSION = ROOT / "examples" / "extension"


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the built package in it, as another one's environment would have it."""
    folder = tmp_path_factory.mktemp("extension")
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    build = ("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder)
    subprocess.run([*pip, *build, EXTENSION], check=True, timeout=100)
    [wheel] = folder.glob("*.whl")
    site = folder / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", site, wheel], check=True, timeout=100)
    return site


@dataclass
class Ticketing:
    """The team's own address: which release is live, and who chose it how often."""

    live: str = "v2"
    chosen: list[str] = field(default_factory=list)
    wall: list[str] = field(default_factory=list)
    url: str = ""

    async def get(self, request: web.Request) -> web.Response:
        tag = {"ETag": f'"{len(self.chosen)}"'}
        return web.json_response({"live": self.live, "previous": ["v1"]}, headers=tag)

    async def put(self, request: web.Request) -> web.Response:
        if request.headers["If-Match"] != f'"{len(self.chosen)}"':
            return web.Response(status=412)
        self.live = (await request.json())["live"]
        self.chosen.append(self.live)
        return web.Response()

    async def post(self, request: web.Request) -> web.Response:
        self.wall.append(await request.text())
        return web.Response()


@pytest.fixture
async def ticketing() -> AsyncIterator[Ticketing]:
    """The address, served on loopback."""
    served = Ticketing()
    app = web.Application()
    app.router.add_get("/release", served.get)
    app.router.add_put("/release", served.put)
    app.router.add_post("/wall", served.post)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield served
    await runner.cleanup()


async def command(installed: Path, folder: Path, *words: str, typed: str = "") -> tuple[int, str]:
    """Run the bot with the extension beside it; its exit code and all that it said."""
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        *words,
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(installed),
            "LOGNAME": "ana",
        },
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(typed.encode()), 90)
    return process.returncode or 0, said.decode()


def catalog(folder: Path, url: str) -> None:
    """The extension's own catalog, with the address of this test."""
    text = (EXTENSION / "rollback.yml").read_text().replace("http://127.0.0.1:8099", url)
    content = yaml.safe_load(text)
    content["verification"] = {"checkpoints": ["1s", "5s"], "judge": {"bucket_seconds": 1}}
    (folder / "rollback.yml").write_text(yaml.safe_dump(content))


async def test_the_catalog_may_use_it_once_it_is_installed(installed: Path, tmp_path: Path) -> None:
    example = str(EXTENSION / "rollback.yml")
    code, said = await command(installed, tmp_path, "check", "--config", example)
    assert (code, "Services: kiosk" in said) == (0, True), said
    code, said = await command(Path("nowhere"), tmp_path, "check", "--config", example)
    assert code == 1
    assert "release-switch" in said
    _, schema = await command(installed, tmp_path, "schema")
    assert '"release-switch"' in schema
    assert '"plain-text"' in schema


async def test_it_rolls_back_once_and_there_is_no_way_further_back(
    installed: Path, tmp_path: Path, ticketing: Ticketing
) -> None:
    catalog(tmp_path, ticketing.url)
    code, said = await command(installed, tmp_path, "plan", "kiosk")
    assert (code, "Choose v1" in said) == (0, True), said
    assert ticketing.chosen == []
    code, said = await command(
        installed, tmp_path, "run", "kiosk", "--reason", "Tickets fail", typed="kiosk\n"
    )
    assert "Step 1 (Choose v1) done: v1 is live." in said
    assert ticketing.chosen == ["v1"]
    code, said = await command(installed, tmp_path, "plan", "kiosk")
    assert code != 0
    assert "no other release than v1" in said
