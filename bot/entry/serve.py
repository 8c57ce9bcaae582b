"""The composition root: builds every part once and gives each what it needs."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import structlog
from aiohttp import ClientSession
from prometheus_client import CollectorRegistry, Gauge
from slack_sdk.web.async_client import AsyncWebClient

import handlers
from bot.alerts.door import AlertsDoor
from bot.alerts.inbox import Inbox
from bot.approval.beat import Beats
from bot.catalog.catalog import Catalog
from bot.catalog.settings import ServeSettings
from bot.communication.destinations.base import CourierAccess, couriers_of
from bot.communication.slack.chat import SlackChat
from bot.communication.slack.client import make_client, make_session
from bot.communication.slack.courier import SlackCourier
from bot.communication.slack.link import SlackLink
from bot.core.clock import SystemClock
from bot.core.errors import RollbackBotError
from bot.core.scheduler import ApScheduler
from bot.engine.context import Changes, Context
from bot.engine.engine import Engine
from bot.engine.outbox import Outbox
from bot.entry import assembly
from bot.entry.assembly import PHASES, cluster_of, make_context, owner_name
from bot.entry.web import WebServer
from bot.metrics.port import Record
from bot.paperwork.papers import Comparer
from bot.store.open import open_store
from bot.store.store import Store
from handlers.desk import Desk

log = structlog.get_logger()


class Bot:
    """One process of the bot."""

    def __init__(self, settings: ServeSettings, catalog: Catalog) -> None:
        self._settings = settings
        self._catalog = catalog
        self._owner = owner_name()
        self._resources = AsyncExitStack()
        self._failed: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Serve until cancelled.

        Raises the RollbackBotError that makes serving impossible.
        """
        self._failed = asyncio.get_running_loop().create_future()
        async with self._resources:
            await self._start()
            await self._failed

    def fail(self, error: Exception) -> None:
        """End ``run`` with this error."""
        if self._failed and not self._failed.done():
            self._failed.set_exception(error)

    async def _start(self) -> None:
        """Start every part, the receiving ones last; the exit stack stops them in reverse."""
        settings, catalog, clock = self._settings, self._catalog, SystemClock()
        store = open_store(settings.database_url)
        self._resources.push_async_callback(store.close)
        await store.start()
        await store.register(self._owner)
        cluster = await cluster_of(catalog)
        self._resources.push_async_callback(cluster.close)
        session = make_session()
        self._resources.push_async_callback(session.close)
        link = self._link(session)
        client = self._client(session)
        changes = Changes()

        async def bot_user_id() -> str:
            return (await link.identity()).bot_user_id

        context, record, announcer = make_context(
            catalog=catalog,
            store=store,
            cluster=cluster,
            chat=SlackChat(client, bot_user_id=bot_user_id, clock=clock),
            changed=changes.notify,
        )
        outbox = Outbox(
            store=store,
            clock=clock,
            journal=context.journal,
            announcer=announcer,
            couriers=couriers_of(
                catalog,
                CourierAccess(
                    slack=SlackCourier(client, load=store.attachment),
                    http=context.world.http,
                    secrets=context.world.secrets,
                    clock=clock,
                    load=store.attachment,
                ),
            ),
            owner=self._owner,
        )
        await self._start_work(context, changes, outbox, record)
        desk = Desk(context=context, changes=changes, client=client)
        handlers.register(link.app, desk)
        self._resources.push_async_callback(desk.stop)
        changes.listen(desk.homes.changed)
        refreshing = asyncio.create_task(desk.homes.run(), name="homes")
        self._resources.push_async_callback(_end, refreshing)
        await self._start_receiving(link, store, Inbox(context))

    def _client(self, session: ClientSession) -> AsyncWebClient:
        token = self._settings.slack_bot_token.get_secret_value()
        return make_client(token, self._settings.slack_api_url, session)

    def _link(self, session: ClientSession) -> SlackLink:
        settings = self._settings
        app_token, secret = settings.slack_app_token, settings.slack_signing_secret
        return SlackLink(
            self._client(session),
            api_url=settings.slack_api_url,
            app_token=app_token.get_secret_value() if app_token else None,
            signing_secret=secret.get_secret_value() if secret and not app_token else None,
        )

    def _alerts_door(self, inbox: Inbox) -> AlertsDoor | None:
        token = self._settings.alerts_token
        secret = token.get_secret_value() if token else ""
        return AlertsDoor(token=secret, receive=inbox.receive) if secret else None

    async def _start_work(
        self, context: Context, changes: Changes, outbox: Outbox, record: Record
    ) -> None:
        """Everything that goes on without anybody asking."""
        scheduler = ApScheduler()
        engine = Engine(context, PHASES, owner=self._owner)
        beats = Beats(context, scheduler)
        changes.listen(lambda incident: engine.wake(incident.id))
        changes.listen(beats.schedule)
        changes.listen(lambda _: outbox.wake())
        comparer = Comparer(context)
        changes.listen(comparer.look)
        self._resources.push_async_callback(comparer.stop)

        async def reconcile() -> None:
            dead = await context.store.bury()
            if dead:
                log.info("took over from processes that died", owners=dead)
                outbox.wake()
            await engine.reconcile()
            await beats.reconcile()

        self._resources.push_async_callback(engine.stop)
        self._resources.push_async_callback(scheduler.stop)
        scheduler.start()
        assembly.schedule(scheduler, context, record, reconcile=reconcile)
        sending = asyncio.create_task(outbox.run(), name="outbox")
        self._resources.push_async_callback(_end, sending)
        await reconcile()

    async def _start_receiving(self, link: SlackLink, store: Store, inbox: Inbox) -> None:
        registry = CollectorRegistry()
        open_incidents = Gauge(
            "rollback_bot_open_incidents", "Incidents not yet closed.", registry=registry
        )

        async def ready() -> list[str]:
            problems = await link.problems()
            try:
                heads = await store.incidents(open_only=True, limit=10_000)
                open_incidents.set(len(heads))
            except RollbackBotError as error:
                problems.append(error.what)
            return problems

        web = WebServer(
            host=self._settings.host,
            port=self._settings.port,
            ready=ready,
            registry=registry,
            slack=link.app if self._settings.transport == "http" else None,
            alerts=self._alerts_door(inbox),
        )
        self._resources.push_async_callback(web.stop)
        await web.start()
        self._resources.push_async_callback(link.stop)
        await link.start(self.fail)
        log.info(
            "serving", transport=self._settings.transport, services=len(self._catalog.services)
        )


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
