"""The bot behind its real front door: signed HTTP, Bolt, handlers, pipeline on virtual time."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

import handlers
from bot.catalog.catalog import Catalog
from bot.communication.slack.link import identify, make_app
from bot.entry.web import WebServer
from handlers.desk import Desk
from sandbox.slack.base.model import Message
from sandbox.slack.people.person import Person
from tests.company.fixtures import company, folder, logs
from tests.company.harness import Company, Process, catalog_of

__all__ = ["company", "folder", "logs"]


@dataclass(frozen=True, kw_only=True)
class Front:
    """A running bot and the people before it."""

    company: Company
    process: Process

    def person(self, name: str) -> Person:
        """Somebody of the company."""
        return self.company.slack.workspace.user(name)

    def whispers(self, name: str) -> list[Message]:
        """What only this person was told, in any channel that they are in."""
        person = self.person(name)
        return [
            message
            for channel in self.company.slack.workspace.channels
            if person.id in channel.members
            for message in person.sees(channel)
            if message.ephemeral
        ]

    async def form(self, name: str, service: str = "checkout") -> str:
        """Open the assessment and wait until it has filled itself; what it shows."""
        person = self.person(name)
        assert (await person.command(f"/rollback {service}", channel="ops")).ok
        return await self.modal(name)

    async def modal(self, name: str) -> str:
        """What the person's modal shows once nothing is under way."""
        await self.company.clock.settle()
        view = self.person(name).view
        assert view is not None
        return self.company.slack.workspace.render(view)


async def open_front(company: Company, catalog: Catalog) -> tuple[Front, WebServer, Desk]:
    """Put a process behind Slack's request URL."""
    process = await company.process(catalog=catalog)
    identity = await identify(process.client)

    async def known() -> Any:
        return identity

    async def ready() -> list[str]:
        return []

    app = make_app(process.client, known, signing_secret=company.slack.signing_secret)
    desk = Desk(context=process.context, changes=process.changes, client=process.client)
    handlers.register(app, desk)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    web = WebServer(
        host="127.0.0.1", port=port, ready=ready, registry=CollectorRegistry(), slack=app
    )
    await web.start()
    company.slack.request_url = f"http://127.0.0.1:{port}/slack/events"
    return Front(company=company, process=process), web, desk


@pytest.fixture
def catalog() -> Catalog:
    """The bot's catalog; a test module may give another one."""
    return catalog_of({"assessment": {"patience": "100ms"}})


@pytest.fixture
async def front(company: Company, catalog: Catalog) -> AsyncIterator[Front]:
    """A running bot."""
    opened, web, desk = await open_front(company, catalog)
    yield opened
    await desk.stop()
    await web.stop()
