"""Whom the company works with beside Slack and its cluster: a status page, mail, a forge, metrics.

Nobody is there unless asked for: every server costs a scenario time.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from sandbox.cluster.cluster import Cluster
from sandbox.github.model import Release, Repository, Token
from sandbox.github.server import GitHubServer
from sandbox.mail import MailServer
from sandbox.prometheus import Prometheus
from sandbox.statuspage.server import StatuspageServer

Neighbour = Literal["status page", "mail", "forge", "prometheus", "alerts"]
EVERYBODY: frozenset[Neighbour] = frozenset({"status page", "mail", "forge", "alerts"})
"""All that need no program of their own; Prometheus is Debian's package."""

REPOSITORY = "acme/shop"
FORGE_TOKEN = "forge-token-of-the-sandbox"  # noqa: S105 - opens nothing but the stand-in
ALERTS_TOKEN = "alerts-token-of-the-sandbox"  # noqa: S105 - likewise
CUSTOMERS = "news@lists.example.com"
BOARD = "board@example.com"
SCRAPE = 0.4
"""Seconds between two scrapes of the Prometheus."""


class Neighbours:
    """Starts those who are wanted, and says what the bot must be told about them."""

    def __init__(self, wanted: frozenset[Neighbour], *, folder: Path, cluster: Cluster) -> None:
        self._wanted = wanted
        self.status_page = StatuspageServer()
        self.mail = MailServer()
        self.forge = GitHubServer()
        self.prometheus = Prometheus(folder / "prometheus", cluster=cluster, every=SCRAPE)

    async def start(self, stack: AsyncExitStack) -> None:
        """Start them; the stack ends them."""
        if "status page" in self._wanted:
            await stack.enter_async_context(self.status_page)
        if "mail" in self._wanted:
            await stack.enter_async_context(self.mail)
        if "forge" in self._wanted:
            _stock(self.forge)
            await self.forge.start()
            stack.push_async_callback(self.forge.stop)
        if "prometheus" in self._wanted:
            await stack.enter_async_context(self.prometheus)

    async def die(self) -> None:
        """Nobody answers any more: every connection is refused."""
        await self.status_page.__aexit__()
        await self.mail.__aexit__()
        await self.forge.stop()

    @property
    def refusals(self) -> list[str]:
        """What a stand-in refused, each as a line for people."""
        return [
            *(f"Statuspage refused {one}" for one in self.status_page.refusals),
            *(f"GitHub refused {one}" for one in self.forge.refusals),
            *(f"The mail server refused {one}" for one in self.mail.refusals),
        ]

    @property
    def environment(self) -> dict[str, str]:
        """The secrets that the catalog names."""
        return {
            "STATUSPAGE_API_KEY": self.status_page.key,
            "GITHUB_TOKEN": FORGE_TOKEN,
            **({"ROLLBACK_ALERTS_TOKEN": ALERTS_TOKEN} if "alerts" in self._wanted else {}),
        }

    def catalog(self) -> dict[str, Any]:
        """What stands in the catalog's top level."""
        found: dict[str, Any] = {}
        destinations: dict[str, Any] = {}
        if "status page" in self._wanted:
            destinations["public"] = {
                "kind": "statuspage",
                "url": self.status_page.url,
                "page_id": self.status_page.page.id,
                "components": list(self.status_page.page.components),
                "api_key": "STATUSPAGE_API_KEY",
            }
        if "mail" in self._wanted:
            destinations["customers"] = self._mailbox("customers", CUSTOMERS)
            destinations["board"] = self._mailbox("stakeholders", BOARD)
            found["post_mortem"] = {"email": "board"}
        if destinations:
            found |= {"company": "Example Shop", "destinations": destinations}
        return found

    def service(self) -> dict[str, Any]:
        """What stands in the service's entry."""
        if "forge" not in self._wanted:
            return {}
        return {
            "github": {
                "repository": REPOSITORY,
                "token": "GITHUB_TOKEN",
                "api_url": self.forge.url,
                "issues": {},
            },
            "release_plan": {"provider": "github"},
        }

    def metrics(self, app: str) -> dict[str, Any] | None:
        """How the service is measured, where it is not by its own pods."""
        if "prometheus" not in self._wanted:
            return None
        return {
            "provider": "prometheus",
            "url": self.prometheus.url,
            "labels": {"job": "shop", "app": app},
            "release_label": "version",
            "where": {"path": "/checkout"},
            # A scrape that is under way, and one that a busy machine delays.
            "delay": 3 * SCRAPE,
        }

    def _mailbox(self, audience: str, to: str) -> dict[str, Any]:
        return {
            "kind": "email",
            "audience": audience,
            "host": "127.0.0.1",
            "port": self.mail.port,
            "security": "none",
            "from": "status@example.com",
            "to": [to],
        }


def _stock(forge: GitHubServer) -> None:
    """The shop's repository: two releases with what lies between them, and the bot's token."""
    now = datetime.now(UTC)
    shop = Repository(name=REPOSITORY, members=("anna", "ana", "ben"))
    shop.commit("Release 2.0.0", at=now - timedelta(days=9), tag="v2.0.0")
    shop.commit("Log the currency of baskets", at=now - timedelta(days=3))
    prices = shop.commit("Prices with currencies (#12)", at=now - timedelta(days=1), tag="v2.1.0")
    shop.merged(prices, 12, "Prices with currencies")
    shop.releases.append(Release(id=7, tag="v2.1.0", body="Prices with currencies."))
    forge.repositories[REPOSITORY] = shop
    forge.tokens[FORGE_TOKEN] = Token(
        value=FORGE_TOKEN,
        repositories=frozenset({REPOSITORY}),
        writes=frozenset({"contents", "issues"}),
    )
