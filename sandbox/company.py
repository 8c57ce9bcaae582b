"""A whole company on loopback: its Slack, its cluster, its shop, its customers, and the bot.

The demo, the scenario tests and developers use it. The bot is the installed command, started as
a process of its own and configured through its environment and its catalog alone.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import yaml

from sandbox.bot_process import BotProcess, free_port
from sandbox.catalog import SERVICES, Pace, everybodys, service_entry
from sandbox.cluster.base.rbac import User
from sandbox.cluster.base.rbac_manifests import rules_from_manifests
from sandbox.cluster.cluster import ADMIN, Cluster
from sandbox.neighbours import Neighbour, Neighbours
from sandbox.shop import accounts, delivery, manifests
from sandbox.shop.load import LoadGenerator
from sandbox.shop.server import push_releases
from sandbox.slack.server import SlackServer

ROOT = Path(__file__).resolve().parent.parent
Transport = Literal["socket", "http"]


@dataclass(kw_only=True)
class Company:
    """Everything that a rollback needs, started together and stopped together."""

    folder: Path
    transport: Transport = "socket"
    layout: delivery.Layout = "blue-green"
    pace: Pace = field(default_factory=Pace)
    neighbours: frozenset[Neighbour] = frozenset()
    """Whom the company works with beside Slack and its cluster."""
    service_changes: dict[str, Any] = field(default_factory=dict)
    """Merged into the service's entry of the catalog."""
    catalog_changes: dict[str, Any] = field(default_factory=dict)
    """Merged into the catalog's top level."""
    environment: dict[str, str] = field(default_factory=dict)
    """Added to the bot's environment."""

    def __post_init__(self) -> None:
        self.slack = SlackServer(manifest=manifest())
        rights = rules_from_manifests(ROOT / "deploy" / "rbac.yaml")
        users = {**ADMIN, "bot-token": User(name="rollback-bot", rules=rights)}
        self.cluster = Cluster(timings=self.pace.nodes, users=users)
        push_releases(self.cluster.images, seed=7)
        self.around = Neighbours(self.neighbours, folder=self.folder, cluster=self.cluster)
        self._stack = AsyncExitStack()

    @property
    def service(self) -> str:
        """The service that this company releases badly."""
        return SERVICES[self.layout]

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def _start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        await self.slack.start()
        self._stack.push_async_callback(self.slack.stop)
        self.slack.workspace.add_channel("status", with_bot=True)
        await self._stack.enter_async_context(self.cluster)
        await delivery.install(self.cluster, self.layout)
        self.url = self.cluster.service_url("shop", self.service)
        await self.around.start(self._stack)
        self.load = await self._stack.enter_async_context(
            LoadGenerator(self.url, self.pace.requests_per_second)
        )
        self.bot = BotProcess(folder=self.folder, environment=self._environment())
        self._stack.push_async_callback(self.bot.stop)
        self._write_catalog()

    async def start_bot(self) -> None:
        """Start the bot, again if need be, and wait until it serves."""
        await self.bot.start()
        if self.transport == "socket":
            await self.slack.wait_until_connected()
        else:
            self.slack.request_url = f"{self.bot.url}/slack/events"

    async def release(self, version: str = "v2.1.0") -> None:
        """Release a version as the shop's CI does; the default is the one that degrades."""
        await delivery.release(self.cluster, self.layout, version=version)

    async def break_blue(self) -> None:
        """Let the release that was good fail too, as a wrong setting would."""
        broken = manifests.checkout_deployment("blue", "v2.0.0")
        broken["spec"]["template"]["spec"]["containers"][0]["env"] = [
            {"name": "SHOP_ERROR_RATE", "value": "0.12"}
        ]
        self.cluster.apply(broken)
        await delivery.rolled_out(self.cluster, "checkout-blue")

    async def mend_blue(self) -> None:
        """Take the wrong setting away."""
        self.cluster.apply(manifests.checkout_deployment("blue", "v2.0.0"))
        await delivery.rolled_out(self.cluster, "checkout-blue")

    @property
    def refusals(self) -> list[str]:
        """What any stand-in refused by its own rules, each as a line for people."""
        return [
            *(f"Slack refused {one.where}: {one.code}" for one in self.slack.refusals),
            # A pod that does not listen yet, or any more, is an answer and no refusal.
            *(
                f"The cluster refused {one}"
                for one in self.cluster.server.refusals
                if not ("/proxy/" in one and ": 503 " in one)
            ),
            *self.around.refusals,
        ]

    def change_catalog(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Edit the bot's catalog; it reads it at its next start."""
        catalog = self.catalog()
        change(catalog)
        self.catalog_changes = catalog
        self._write_catalog()

    async def measured(self, requests: int) -> None:
        """Wait until the customers have sent so many requests more."""
        before = self.load.counts().total
        await self.load.until(lambda: self.load.counts().total >= before + requests, timeout=120)

    # -- configuration -----------------------------------------------------------------------

    def _environment(self) -> dict[str, str]:
        kubeconfig = self.cluster.write_kubeconfig(
            self.folder / "kubeconfig", user="rollback-bot", namespace="shop"
        )
        slack = {"SLACK_BOT_TOKEN": self.slack.bot_token, "SLACK_API_URL": self.slack.url}
        if self.transport == "socket":
            slack["SLACK_APP_TOKEN"] = self.slack.app_token
        else:
            slack["SLACK_SIGNING_SECRET"] = self.slack.signing_secret
        return {
            **slack,
            "KUBECONFIG": str(kubeconfig),
            "ROLLBACK_DATABASE_URL": f"sqlite:///{(self.folder / 'bot.sqlite3').resolve()}",
            "ROLLBACK_PORT": str(free_port()),
            "SMOKE_PASSWORD": accounts.PASSWORD,
            **self.around.environment,
            **self.environment,
        }

    def _write_catalog(self) -> None:
        (self.folder / "rollback.yml").write_text(
            yaml.safe_dump({**self.catalog(), **self.catalog_changes}, sort_keys=False)
        )

    def catalog(self) -> dict[str, Any]:
        """The catalog of this company, with the intervals of its pace."""
        entry = service_entry(self.layout, self.pace, url=self.url, around=self.around)
        return {
            "services": {self.service: {**entry, **self.service_changes}},
            **self.around.catalog(),
            **everybodys(self.pace, self.slack.workspace),
        }


def manifest() -> dict[str, Any]:
    """The app's manifest, as Slack would be given it."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "manifest.yml").read_text())
    return content
