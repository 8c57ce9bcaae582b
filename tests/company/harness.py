"""The bot put together as by ``bot.entry.serve``, on virtual time, with a Slack on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import yaml

from bot.approval.beat import Beats
from bot.assessment import assess
from bot.catalog.catalog import Catalog
from bot.clouds.commands import LocalFiles
from bot.communication.announcer import Announcer
from bot.communication.slack.chat import SlackChat
from bot.communication.slack.courier import SlackCourier
from bot.communication.slack.link import identify
from bot.core.values import Actor
from bot.engine.context import Changes, Context
from bot.engine.engine import Engine
from bot.engine.journal import Journal
from bot.engine.outbox import Outbox
from bot.engine.world import Strategy
from bot.entry.assembly import MESSAGES, PHASES
from bot.freeze import freeze
from bot.incident.state import Incident
from bot.paperwork.papers import Comparer
from bot.store.delivery import Courier, Delivery
from sandbox.slack.base.model import Channel, Message
from sandbox.slack.server import SlackServer
from tests.company.activity import Activity
from tests.company.forge import CountedGitHub
from tests.company.mortal import Life, MortalSlackClient, MortalStore
from tests.company.shop import ShopFreezer, ShopMetrics, ShopStrategy, TurnStep, world_of
from tests.company.virtual_clock import VirtualClock
from tests.company.virtual_scheduler import VirtualScheduler

MANIFEST = yaml.safe_load((Path(__file__).parents[2] / "manifest.yml").read_text())
RECONCILE = timedelta(minutes=1)
"""Four times as rarely as the app does: what is waited for passes in no time."""
SERVICES = ("checkout", "payments", "search")


def catalog_of(changes: Mapping[str, Any] | None = None) -> Catalog:
    """Three services, two release managers, an on-call lead; ``changes`` replace whole parts."""
    entry = {
        "url": "http://shop.example.com",
        "instance_port": 8080,
        "rollback": [{"strategy": "rolling", "namespace": "shop", "deployment": "checkout"}],
    }
    return Catalog.model_validate(
        {
            "services": dict.fromkeys(SERVICES, entry),
            "people": {
                "release_managers": ["U0BEN000002", "U0CARLA0003"],
                "on_call_leads": ["U0DAN000004"],
                "roles": {"Incident Commander": ["U0BEN000002"]},
            },
            **(changes or {}),
        }
    )


class Company:
    """What outlives a process: the file, Slack, the live system, and time."""

    def __init__(self, folder: Path) -> None:
        self.activity = Activity()
        self.activity.watch_threads(asyncio.get_running_loop())
        self.clock = VirtualClock(self.activity)
        self.folder = folder
        self.shop = ShopStrategy(self.clock)
        self.strategies: dict[str, Strategy] = {}
        """By name, beside the shop's own, which stands for all others."""
        self.slack = SlackServer(manifest=MANIFEST, clock=self.clock.timestamp)
        self.incidents: dict[str, Incident] = {}
        self.processes: list[Process] = []
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self.slack.start()
        self._resources.push_async_callback(self.slack.stop)
        self.ops = self.slack.workspace.add_channel("ops", with_bot=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self.processes:
            await process.stop()
        await self._resources.aclose()

    async def process(self, **options: Any) -> Process:
        """Start one more process of the bot."""
        process = Process(self, **options)
        self.processes.append(process)
        await process.start()
        return process

    def saw(self, incident: Incident) -> None:
        """Remember the newest state that any process has written."""
        known = self.incidents.get(incident.id)
        if known is None or known.seq < incident.seq:
            self.incidents[incident.id] = incident

    async def until(
        self,
        incident: Incident,
        condition: Callable[[Incident], Any],
        *,
        within: timedelta = timedelta(hours=1),
    ) -> Incident:
        """The incident's state once it fulfils a condition."""

        def found() -> Incident | None:
            state = self.incidents[incident.id]
            return state if condition(state) else None

        return await self.clock.run_until(found, within=within)

    def actor(self, name: str) -> Actor:
        """Somebody of the company."""
        person = self.slack.workspace.user(name)
        return Actor(id=person.id, name=person.name)

    def said(self, channel: Channel | str) -> list[str]:
        """Everything readable in a channel, oldest first."""
        return [self.slack.workspace.render(m) for m in self.slack.workspace.messages(channel)]

    def messages(self, channel: Channel | str) -> list[Message]:
        """What the bot posted to a channel, oldest first, without what Slack itself says."""
        return [m for m in self.slack.workspace.messages(channel) if m.metadata or m.files]

    def calls(self, method: str) -> int:
        """How often a method of Slack was called."""
        return sum(call.method == method for call in self.slack.calls)


class Process:
    """One process of the bot: the same parts as ``bot.entry.serve.Bot``, on the company's clock."""

    def __init__(
        self,
        company: Company,
        *,
        catalog: Catalog | None = None,
        sends: bool = True,
        couriers: Mapping[str, Courier] | None = None,
        reconcile: timedelta = RECONCILE,
    ) -> None:
        """``couriers`` go to destinations beside Slack.

        Without ``sends`` it records deliveries and leaves them to others.
        """
        self.company = company
        self.life = Life()
        self.catalog = catalog or catalog_of()
        clock, shop = company.clock, company.shop
        self.name = f"process-{len(company.processes) + 1}"
        self.store = MortalStore(company.folder / "bot.sqlite3", life=self.life)
        self.client = MortalSlackClient(
            company.activity,
            life=self.life,
            token=company.slack.bot_token,
            base_url=company.slack.url,
            timeout=20,
            retry_handlers=[],
        )
        self.changes = Changes()
        self.announcer = Announcer(self.catalog, MESSAGES)
        self.journal = Journal(
            store=self.store,
            clock=clock,
            announcer=self.announcer,
            changed=self.changes.notify,
        )
        self.context = Context(
            catalog=self.catalog,
            clock=clock,
            store=self.store,
            journal=self.journal,
            chat=SlackChat(self.client, bot_user_id=self._bot_user_id, clock=clock),
            metrics=ShopMetrics(shop, clock),
            world=world_of(shop, clock),
            strategy=lambda name: company.strategies.get(name, shop),
            step_kind=lambda _: TurnStep(shop, clock),
            freezer=ShopFreezer(shop),
            forge=CountedGitHub(company.activity),
            files=LocalFiles(),
        )
        self.outbox = Outbox(
            store=self.store,
            clock=clock,
            journal=self.journal,
            announcer=self.announcer,
            couriers={
                "slack": SlackCourier(self.client, load=self.store.attachment),
                **(couriers or {}),
            },
            owner=self.name,
        )
        self.engine = Engine(self.context, PHASES, owner=self.name)
        self.scheduler = VirtualScheduler(clock)
        self.beats = Beats(self.context, self.scheduler)
        self.comparer = Comparer(self.context)
        self._sends = sends
        self._every = reconcile
        self._sending: asyncio.Task[None] | None = None

    async def told(self, delivery: Delivery) -> str:
        """What the outbox makes of a delivery when it sends it."""
        return str((await self.announcer.draw(delivery, self.journal)).payload)

    async def start(self) -> None:
        """Open the file and take up whatever is owed."""
        await self.store.start()
        self.changes.listen(self.company.saw)
        self.changes.listen(lambda incident: self.engine.wake(incident.id))
        self.changes.listen(self.beats.schedule)
        self.changes.listen(lambda _: self.outbox.wake())
        self.changes.listen(self.comparer.look)
        self.scheduler.every("reconcile", self._every, self.reconcile)
        self.scheduler.every("freeze", self._every, lambda: freeze.look(self.context))
        watching = self.catalog.assessment.watch_every
        self.scheduler.every("watch", watching, lambda: assess.look(self.context))
        self.scheduler.start()
        if self._sends:
            self._sending = asyncio.create_task(self.outbox.run(), name="outbox")
        await self.reconcile()

    async def reconcile(self) -> None:
        """Look after every open incident."""
        await self.engine.reconcile()
        await self.beats.reconcile()

    async def stop(self) -> None:
        """End in good order; harmless when repeated."""
        await self.scheduler.stop()
        await self.engine.stop()
        await self.comparer.stop()
        if self._sending:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        await self.store.close()

    async def kill(self) -> None:
        """End without a last word: leases and claims stay taken."""
        self.life.alive = False
        await self.stop()

    async def _bot_user_id(self) -> str:
        return (await identify(self.client)).bot_user_id
