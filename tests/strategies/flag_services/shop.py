"""A shop whose login asks the flag service now and then, and the bot's view of both."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.catalog.service import ServiceEntry
from bot.clouds.aws import BotoAws
from bot.clouds.commands import EnvironmentSecrets, LocalCommands
from bot.clouds.http import HttpClient
from bot.clouds.kubernetes.objects import Cluster
from bot.core.clock import SystemClock
from bot.engine.world import World
from bot.incident.plan import Plan, Step, StepSpec
from strategies.registry import strategy
from tests.strategies.flag_services.server import FlagServer
from tests.strategies.running import run_step

REFRESH_SECONDS = 0.05
PROBE: dict[str, Any] = {
    "path": "/login",
    "expect": {"json": {"login.method": "password"}, "not_contains": "oauth"},
    "times": 3,
    "patience": "300ms",
}


_AWS = BotoAws()


def world_without_cluster() -> World:
    """A flag reaches no cluster as long as the service names no metrics."""
    return World(
        cluster=cast(Cluster, None),
        http=HttpClient(),
        aws=_AWS,
        commands=LocalCommands(),
        secrets=EnvironmentSecrets(),
        clock=SystemClock(),
    )


class Login:
    """GET /login; it may have read the flag up to one refresh interval ago."""

    def __init__(self, flags: FlagServer) -> None:
        self._flags = flags
        self._on, self._read_at = True, 0.0
        self.stuck = False
        """An instance that cannot reach the flag service keeps what it had."""
        app = web.Application()
        app.router.add_get("/login", self._login)
        self.server = TestServer(app)

    async def _login(self, request: web.Request) -> web.Response:
        now = time.monotonic()
        if now - self._read_at >= REFRESH_SECONDS and not self.stuck:
            self._on, self._read_at = self._flags.is_on, now
        method = "oauth" if self._on else "password"
        return web.json_response({"login": {"method": method}})


@dataclass(frozen=True, kw_only=True)
class FlagShop:
    """checkout with oauth_auth on."""

    flags: FlagServer
    login: Login
    world: World
    service: ServiceEntry

    def with_target(self, **changes: Any) -> FlagShop:
        entry = {**_entry(self.flags), **changes}
        service = ServiceEntry.model_validate({"url": self.service.url, "rollback": [entry]})
        return FlagShop(flags=self.flags, login=self.login, world=self.world, service=service)

    async def plan(
        self,
        target: str | None = None,
        *,
        bad: frozenset[str] = frozenset(),
        good: tuple[str, ...] = ("oauth_auth off",),
    ) -> Plan:
        return await strategy("feature-flag").plan(
            "checkout", self.service, self.world, target=target, marked_bad=bad, known_good=good
        )

    async def run(self, step: Step) -> str:
        """What the pipeline does with one step."""
        return await run_step(step, self.world)

    async def run_all(self, plan: Plan) -> list[str]:
        return [await self.run(step) for step in plan.steps]

    async def undo(self, plan: Plan) -> None:
        """The inverses: of what changed in reverse order, then of the waits."""
        changed = [step for step in reversed(plan.steps) if step.changes]
        waits = [step for step in plan.steps if not step.changes]
        for step in (*changed, *waits):
            if step.inverse is not None:
                await self.run(taken_back(step, step.inverse))

    async def users_get(self) -> str:
        answer = await self.world.http.get(f"{str(self.service.url).rstrip('/')}/login")
        return "password" if "password" in answer.text else "oauth"


def taken_back(step: Step, inverse: StepSpec) -> Step:
    return step.model_copy(update={"action": inverse, "inverse": None})


def flag_shop(flags: FlagServer, login: Login) -> FlagShop:
    service = ServiceEntry.model_validate(
        {"url": str(login.server.make_url("/")), "rollback": [_entry(flags)]}
    )
    return FlagShop(flags=flags, login=login, world=world_without_cluster(), service=service)


def _entry(flags: FlagServer) -> dict[str, Any]:
    entry = {
        "strategy": "feature-flag",
        "flag": "oauth_auth",
        "refresh": f"{REFRESH_SECONDS}s",
        "patience": "2s",
        "probe": PROBE,
        **flags.target(),
    }
    if flags.provider != "appconfig":
        entry["token"] = "FLAG_TOKEN"
    return entry
