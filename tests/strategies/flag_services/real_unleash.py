"""The real ``unleash-server``, with a door in front of it that counts changes and loses answers.

``make test-unleash`` installs it from the lock file beside this and names its folder by
``UNLEASH_HOME``. The door knows nothing of Unleash: what it is asked, the server answers.
"""

from __future__ import annotations

import http.cookiejar
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.contracts.store_postgres import PostgresServer, find_postgres
from tests.strategies.flag_services.server import FlagServer

HOME = os.environ.get("UNLEASH_HOME", "")
TOKEN = "*:*.unleash-admin-secret-7"
ALICE = {"username": "alice@example.com", "password": "Correct-horse-7-battery"}
PROJECT = "/api/admin/projects/default"
FLAG = f"{PROJECT}/features/oauth_auth"
ENVIRONMENT = f"{FLAG}/environments/production"
_START_SECONDS = 60.0
_LOCALLY = urllib.request.ProxyHandler({})  # whatever proxy the machine has


class UnleashProcess:
    """The server as a process, and what people do to it by its API."""

    def __init__(self, postgres: PostgresServer) -> None:
        postgres.execute("CREATE DATABASE unleash")
        self.url = f"http://127.0.0.1:{_free_port()}"
        self._log = (postgres.home / "unleash.log").open("wb")
        node = shutil.which("node")
        if node is None:
            raise RuntimeError("Node is not installed: Debian's package is nodejs.")
        self._process = subprocess.Popen(
            [node, str(Path(HOME) / "node_modules/unleash-server/dist/server.js")],
            env=_environment(postgres, self.url),
            cwd=postgres.home,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        self._people = urllib.request.build_opener(
            _LOCALLY, urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        )
        self._await(Path(self._log.name))
        self.call("POST", "/api/admin/user-admin", _user())
        self._send("POST", "/auth/simple/login", ALICE, {}, self._people)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """By the admin token."""
        opener = urllib.request.build_opener(_LOCALLY)
        return self._send(method, path, body, {"Authorization": TOKEN}, opener)

    def as_alice(self, method: str, path: str, body: Any = None) -> Any:
        """By a person who is logged in."""
        return self._send(method, path, body, {}, self._people)

    def new_flag(self) -> None:
        """The flag oauth_auth on for half of the users, and nothing left of an earlier one."""
        self._forget()
        self.call("POST", f"{PROJECT}/features", {"name": "oauth_auth", "type": "release"})
        rollout = {"rollout": "50", "stickiness": "default", "groupId": "oauth_auth"}
        strategy = {"name": "flexibleRollout", "parameters": rollout}
        self.call("POST", f"{ENVIRONMENT}/strategies", strategy)
        self.call("POST", f"{ENVIRONMENT}/on")

    def client_token(self) -> str:
        """A token as an SDK has it, which may change nothing."""
        wish = {"tokenName": "sdk", "type": "client", "environment": "production"}
        return str(self.call("POST", "/api/admin/api-tokens", wish)["secret"])

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=_START_SECONDS)
        self._log.close()

    def _forget(self) -> None:
        for path in (FLAG, "/api/admin/archive/oauth_auth"):
            try:
                self.call("DELETE", path)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code not in {403, 404}:  # there is none
                    raise

    def _await(self, log: Path) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.call("GET", "/health")
            except (urllib.error.URLError, ConnectionError):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self._process.kill()
                    self._process.wait()
                    self._log.close()
                    raise RuntimeError(log.read_text(encoding="utf-8")[-2000:]) from None
                time.sleep(0.05)
            else:
                return

    def _send(
        self,
        method: str,
        path: str,
        body: Any,
        headers: dict[str, str],
        opener: urllib.request.OpenerDirector,
    ) -> Any:
        data = None if body is None else json.dumps(body).encode()
        wanted = {"Content-Type": "application/json", **headers}
        address = f"{self.url}{path}"
        # Our own server on loopback.
        request = urllib.request.Request(address, data, wanted, method=method)  # noqa: S310
        with opener.open(request, timeout=_START_SECONDS) as answer:
            text = answer.read()
        return json.loads(text) if text else None


class RealUnleash(FlagServer):
    """See ``FlagServer``; every answer is the real server's own."""

    provider = "unleash"
    token = TOKEN

    def __init__(self, process: UnleashProcess) -> None:
        super().__init__()
        self.process = process
        process.new_flag()
        self.app.router.add_route("*", "/{path:.*}", self._forward)

    @property
    def is_on(self) -> bool:
        return bool(self.process.call("GET", ENVIRONMENT)["enabled"])

    @property
    def state(self) -> Any:
        found = self.process.call("GET", ENVIRONMENT)
        return found["enabled"], found["strategies"]

    def target(self) -> dict[str, Any]:
        return {"provider": "unleash", "url": self.url, "environment": "production"}

    def edit(self) -> str:
        [strategy] = self.process.call("GET", ENVIRONMENT)["strategies"]
        parameters = {**strategy["parameters"], "rollout": "100"}
        changed = {"name": strategy["name"], "parameters": parameters, "constraints": []}
        self.process.as_alice("PUT", f"{ENVIRONMENT}/strategies/{strategy['id']}", changed)
        return ALICE["username"]

    def turn(self, on: bool) -> str:
        self.process.as_alice("POST", f"{ENVIRONMENT}/{'on' if on else 'off'}")
        return ALICE["username"]

    def accepts(self, request: web.Request, name: str, prefix: str) -> bool:
        return True  # that is for Unleash to say

    async def _forward(self, request: web.Request) -> web.Response:
        kept = {key: request.headers[key] for key in ("Authorization",) if key in request.headers}
        if request.can_read_body:
            kept["Content-Type"] = request.headers["Content-Type"]
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method,
                f"{self.process.url}{request.path_qs}",
                headers=kept,
                data=await request.read(),
            ) as answer,
        ):
            return web.Response(
                body=await answer.read(),
                status=answer.status,
                content_type=answer.content_type,
            )


def serve() -> Iterator[UnleashProcess]:
    """Unleash on a PostgreSQL of its own, for as long as tests need it."""
    programs = find_postgres()
    if programs is None:
        raise RuntimeError("PostgreSQL is not installed: Unleash keeps its flags in it.")
    postgres = PostgresServer(programs)
    try:
        process = UnleashProcess(postgres)
        yield process
        process.stop()
    finally:
        postgres.stop()


def _environment(postgres: PostgresServer, url: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "NODE_ENV": "production",
        "NODE_NO_WARNINGS": "1",
        "LOG_LEVEL": "warn",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": url.rpartition(":")[2],
        "DATABASE_HOST": str(postgres.home),  # its socket
        "DATABASE_NAME": "unleash",
        "DATABASE_USERNAME": "postgres",
        "DATABASE_PASSWORD": "not-asked-for",
        "DATABASE_SSL": "false",
        "INIT_ADMIN_API_TOKENS": TOKEN,
        "CHECK_VERSION": "false",
        "SEND_TELEMETRY": "false",
    }


def _user() -> dict[str, Any]:
    name = ALICE["username"]
    admin = 1
    return {
        "username": name,
        "email": name,
        "name": "Alice",
        "password": ALICE["password"],
        "rootRole": admin,
        "sendEmail": False,
    }


def _free_port() -> int:
    """Unleash itself does not tell which port it chose."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
