"""A larger company for the week: many services, each with a live system of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

from bot.approval.beat import Beats
from bot.catalog.catalog import Catalog
from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.objects import Cluster, PodAnswer
from bot.clouds.outside import Http, HttpAnswer
from bot.core.clock import Clock
from bot.core.errors import TemporaryError
from bot.core.values import Actor
from bot.engine.context import Resolution, Room
from bot.engine.engine import Engine
from bot.engine.journal import Journal
from bot.engine.outbox import Outbox
from bot.engine.world import Instance, Observed, Strategy, World
from bot.entry.assembly import PHASES
from bot.incident.plan import Plan, Step
from bot.incident.state import Incident
from bot.metrics.port import Series
from bot.paperwork.papers import Comparer
from bot.proof import relapse
from strategies.rolling.candidates import RollingTarget
from tests.company.harness import Company, Process
from tests.company.mortal import InlineStore
from tests.company.shop import ShopDoors, ShopFreezer, ShopMetrics, ShopStrategy, TurnStep, world_of
from tests.company.week_places import Places, PlacesCourier

SELDOM = timedelta(hours=2)
"""How often everything is looked at without a reason: timers and changes alone keep the rhythm."""
RELAPSE_LOOKS = timedelta(minutes=5)
LONGEST_SPAN = timedelta(minutes=20)
KINDS = ("slack", "statuspage", "webhook", "email")


class LiveService(ShopStrategy):
    """The live system of one service."""

    def __init__(self, clock: Clock, name: str) -> None:
        super().__init__(clock)
        self.name_of_service = name

    async def plan(self, name: str, service: ServiceEntry, world: World, **options: Any) -> Plan:
        """The shop's plan; its steps name the service."""
        plan = await super().plan(name, service, world, **options)
        return plan.model_copy(update={"steps": tuple(self._named(step) for step in plan.steps)})

    async def instances(self, service: ServiceEntry, world: World) -> tuple[Instance, ...]:
        """The shop's replicas, in a namespace of the service's name."""
        found = await super().instances(service, world)
        return tuple(one.model_copy(update={"namespace": self.name_of_service}) for one in found)

    def _named(self, step: Step) -> Step:
        params = {**step.action.params, "service": self.name_of_service}
        action = step.action.model_copy(update={"params": params})
        return step.model_copy(update={"action": action, "inverse": None})


class LiveServices(Strategy):
    """All of them, behind the ports that the pipeline uses."""

    name = "rolling"
    settings = RollingTarget

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._live: dict[str, LiveService] = {}

    def __getitem__(self, service: str) -> LiveService:
        if service not in self._live:
            self.release(service)
        return self._live[service]

    def release(self, service: str) -> LiveService:
        """A bad release of the service has come twenty minutes ago."""
        self._live[service] = LiveService(self._clock, service)
        return self._live[service]

    def of(self, entry: ServiceEntry) -> LiveService:
        """By the address of its front door."""
        return self[str(entry.url).removeprefix("http://").partition(".")[0]]

    # -- strategy ------------------------------------------------------------------------------

    async def observe(self, service: ServiceEntry, world: World) -> Any:
        """What is live."""
        return await self.of(service).observe(service, world)

    async def plan(self, name: str, service: ServiceEntry, world: World, **options: Any) -> Plan:
        """How to go back."""
        return await self[name].plan(name, service, world, **options)

    async def instances(self, service: ServiceEntry, world: World) -> tuple[Instance, ...]:
        """Its replicas."""
        return await self.of(service).instances(service, world)

    async def evidence(self, service: ServiceEntry, world: World, *, release: str) -> Any:
        """What is saved."""
        return await self.of(service).evidence(service, world, release=release)


class LiveSteps:
    """The step kind of all services."""

    name = "turn"

    def __init__(self, services: LiveServices, clock: Clock) -> None:
        self._services = services
        self._clock = clock

    async def observe(self, step: Step, world: World) -> Observed:
        """Where the switch stands."""
        return await self._of(step).observe(step, world)

    async def act(self, step: Step, world: World) -> None:
        """Turn it."""
        await self._of(step).act(step, world)

    async def confirm(self, step: Step, world: World) -> str:
        """See that it holds."""
        return await self._of(step).confirm(step, world)

    def _of(self, step: Step) -> TurnStep:
        return TurnStep(self._services[str(step.action.params["service"])], self._clock)


class LiveMetrics:
    """The counts of all services."""

    def __init__(self, services: LiveServices, clock: Clock) -> None:
        self._services = services
        self._clock = clock

    async def series(
        self, name: str, service: ServiceEntry, *, start: datetime, end: datetime, seconds: float
    ) -> Series:
        """As the shop counts, for spans short enough: the reports of the week have no charts.

        Drawing a hundred of them would take most of the test's time.
        """
        if end - start > LONGEST_SPAN:
            raise TemporaryError("The counts of so long ago are gone.")
        shop = ShopMetrics(self._services[name], self._clock)
        return await shop.series(name, service, start=start, end=end, seconds=seconds)


class LiveDoors:
    """The front doors and pods of all services."""

    def __init__(self, services: LiveServices) -> None:
        self._services = services

    async def get(self, url: str, *, timeout_seconds: float = 5.0) -> HttpAnswer:
        """As a user sees it."""
        service = url.removeprefix("http://").partition(".")[0]
        return await ShopDoors(self._services[service]).get(url)

    async def ask_pod(self, namespace: str, pod: str, port: int, path: str) -> PodAnswer:
        """A replica's own version."""
        return await ShopDoors(self._services[namespace]).ask_pod(namespace, pod, port, path)


class Rooms:
    """A ``bot.engine.context.Chat`` whose channels are there as soon as they are asked for."""

    async def open_channel(self, name: str, *, since: datetime) -> Room:
        """The same channel for the same name, as an attempt that is repeated finds it."""
        return Room(id=f"C{name.upper().replace('-', '')}", name=name)

    async def resolve(self, references: Sequence[str]) -> Resolution:
        """Everybody is known."""
        return Resolution(people=tuple(Actor(id=one, name=one[5:]) for one in references))

    async def addresses(self, people: Sequence[Actor]) -> dict[str, str]:
        """Nobody's address is."""
        return {}


class LargeCompany(Company):
    """What outlives a process in the week."""

    def __init__(self, folder: Any, *, catalog: Catalog, seed: int) -> None:
        super().__init__(folder)
        self.catalog = catalog
        self._news = asyncio.Event()
        self.services = LiveServices(self.clock)
        self.places = Places(self.clock, seed=seed)

    async def __aenter__(self) -> LargeCompany:
        """No Slack is started: its place is taken by the places."""
        return self

    def saw(self, incident: Incident) -> None:
        """Remember it, and wake whoever waits for news."""
        super().saw(incident)
        told, self._news = self._news, asyncio.Event()
        told.set()

    async def news(self) -> None:
        """Wait until anything has changed."""
        await self._news.wait()

    async def start_bot(self) -> Process:
        """Start one more process of the bot."""
        process = LargeProcess(self)
        self.processes.append(process)
        await process.start()
        return process


class LargeProcess(Process):
    """One process of the bot for the large company."""

    def __init__(self, company: LargeCompany) -> None:
        super().__init__(company, catalog=company.catalog, reconcile=SELDOM)
        services, clock = company.services, company.clock
        doors = LiveDoors(services)
        world = replace(
            world_of(company.shop, clock), cluster=cast("Cluster", doors), http=cast("Http", doors)
        )
        self.store = InlineStore(company.activity, company.folder / "bot.sqlite3", life=self.life)
        self.journal = Journal(
            store=self.store,
            clock=clock,
            announcer=self.announcer,
            changed=self.changes.notify,
        )
        self.context = replace(
            self.context,
            store=self.store,
            journal=self.journal,
            chat=Rooms(),
            metrics=LiveMetrics(services, clock),
            world=world,
            strategy=lambda _: services,
            step_kind=lambda _: LiveSteps(services, clock),
            freezer=ShopFreezer(company.shop),
        )
        courier = PlacesCourier(company.places, company.activity, self.life)
        self.outbox = Outbox(
            store=self.store,
            clock=clock,
            journal=self.journal,
            announcer=self.announcer,
            couriers=dict.fromkeys(KINDS, courier),
            owner=self.name,
            poll=SELDOM,
        )
        self.engine = Engine(self.context, PHASES, owner=self.name)
        self.beats = Beats(self.context, self.scheduler)
        self.comparer = Comparer(self.context)
        self.scheduler.every("relapse", RELAPSE_LOOKS, lambda: relapse.look(self.context))

    async def start(self) -> None:
        """As the app does: known as living, and the dead buried, before anything is taken up."""
        await self.store.start()
        await self.store.register(self.name)
        await self.store.bury()
        await super().start()
