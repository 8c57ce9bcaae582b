"""The world outside Slack for the pipeline on virtual time: a status page, and mailboxes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from bot.catalog.catalog import Catalog
from bot.clouds.http import HttpClient
from bot.communication.destinations.base import CourierAccess, couriers_of
from bot.core.errors import ConfigurationError
from bot.store.delivery import Courier, Delivery, Receipt
from sandbox.mail import Letter, MailServer
from sandbox.statuspage.server import StatuspageServer
from tests.company.activity import Activity
from tests.company.harness import Company, Process, catalog_of


class Environment:
    """The variables that the catalog names."""

    def read(self, name: str) -> str:
        """Only one is set."""
        if name != "STATUSPAGE_KEY":
            raise ConfigurationError(f"The environment variable {name} is not set.", "Set it.")
        return "sandbox-key"


class _Counted:
    """A courier whose calls hold virtual time while they are under way."""

    def __init__(self, courier: Courier, activity: Activity) -> None:
        self._courier = courier
        self._activity = activity

    async def send(self, delivery: Delivery, previous: Receipt | None) -> Receipt:
        """As the real one."""
        with self._activity.under_way():
            return await self._courier.send(delivery, previous)

    async def find(self, delivery: Delivery) -> Receipt | None:
        """As the real one."""
        with self._activity.under_way():
            return await self._courier.find(delivery)


@dataclass(frozen=True, kw_only=True)
class Outside:
    """Everybody beside Slack."""

    company: Company
    statuspage: StatuspageServer
    mail: MailServer

    def catalog(self, **changes: Any) -> Catalog:
        """A page, a mailbox of customers and one of stakeholders; ``changes`` replace parts."""
        box = {
            "kind": "email",
            "host": "127.0.0.1",
            "port": self.mail.port,
            "security": "none",
            "from": "status@shop.example",
        }
        destinations: Mapping[str, Any] = {
            "public": {
                "kind": "statuspage",
                "url": self.statuspage.url,
                "page_id": self.statuspage.page.id,
                "components": ["8kbf7d35c070"],
                "api_key": "STATUSPAGE_KEY",
            },
            "customers": {**box, "audience": "customers", "to": ["news@lists.example"]},
            "board": {**box, "audience": "stakeholders", "to": ["board@shop.example"]},
        }
        # Proven as surely as in ten minutes: a shorter time, in shorter buckets.
        quick = {"checkpoints": ["2m"], "judge": {"bucket_seconds": 20}}
        return catalog_of(
            {
                "company": "Shop",
                "destinations": destinations,
                "verification": quick,
                **changes,
            }
        )

    async def process(self, catalog: Catalog | None = None, **options: Any) -> Process:
        """A process of the bot that reaches everybody."""
        catalog = catalog or self.catalog()
        couriers: dict[str, Courier] = {}
        clock = self.company.clock

        async def load(incident_id: str, name: str) -> Any:
            return await process.store.attachment(incident_id, name)

        access = CourierAccess(
            slack=cast("Courier", None),
            http=HttpClient(),
            secrets=Environment(),
            clock=clock,
            load=load,
        )
        for kind, courier in couriers_of(catalog, access).items():
            if courier is not access.slack:
                couriers[kind] = _Counted(courier, self.company.activity)
        process = await self.company.process(catalog=catalog, couriers=couriers, **options)
        return process

    def letters(self, to: str) -> list[Letter]:
        """What somebody was mailed."""
        return [letter for letter in self.mail.letters if to in letter.recipients]

    def page_said(self) -> list[list[str]]:
        """The statuses of every incident on the page, oldest first."""
        return [statuses for _, statuses in self.statuspage.page.said()]


@asynccontextmanager
async def opened(company: Company) -> AsyncIterator[Outside]:
    """Everybody, on loopback."""
    async with StatuspageServer() as page, MailServer() as mail:
        yield Outside(company=company, statuspage=page, mail=mail)
