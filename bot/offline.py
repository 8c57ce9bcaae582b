"""The composition root of the commands that work without Slack."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from bot.adapters.nobody import NoChat
from bot.adapters.scheduler import ApScheduler
from bot.adapters.store import open_store, open_untouched
from bot.assembly import PHASES, cluster_of, make_context, owner_name
from bot.config.catalog import Catalog
from bot.config.settings import Settings
from bot.pipeline.changes import Changes
from bot.pipeline.context import Context
from bot.pipeline.engine import Engine


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """A pipeline that works in this process, on the incidents that it is told of."""

    context: Context
    changes: Changes
    engine: Engine
    measure: Callable[[str], None]
    """Read a service's counters again and again until the workplace is left."""


@asynccontextmanager
async def onlooker(settings: Settings, catalog: Catalog) -> AsyncIterator[Context]:
    """A pipeline that can look at everything and writes nothing, neither store nor cluster.

    Raises what opening the store and the cluster's configuration raises.
    """
    store = open_untouched(settings.database_url)
    await store.start()
    try:
        cluster = await cluster_of(catalog)
        try:
            context, _, _ = make_context(
                catalog=catalog,
                store=store,
                cluster=cluster,
                chat=NoChat(),
                changed=Changes().notify,
            )
            yield context
        finally:
            await cluster.close()
    finally:
        await store.close()


@asynccontextmanager
async def workplace(settings: Settings, catalog: Catalog) -> AsyncIterator[Workplace]:
    """A pipeline in this process. It sends nothing: what is owed to Slack waits for a bot.

    Leases keep it apart from a bot that serves at the same time. Raises as ``onlooker`` does.
    """
    owner = owner_name()
    store = open_store(settings.database_url)
    await store.start()
    try:
        await store.register(owner)
        cluster = await cluster_of(catalog)
        changes = Changes()
        context, record, _ = make_context(
            catalog=catalog,
            store=store,
            cluster=cluster,
            chat=NoChat(),
            changed=changes.notify,
        )
        engine = Engine(context, PHASES, owner=owner)
        scheduler = ApScheduler()
        scheduler.start()

        def measure(service: str) -> None:
            entry = context.service(service)
            if entry.metrics and (every := entry.metrics.recorded_every):
                scheduler.every(f"scrape {service}", every, partial(record, service, entry))

        try:
            await store.bury()
            yield Workplace(context=context, changes=changes, engine=engine, measure=measure)
        finally:
            await engine.stop()
            await scheduler.stop()
            await cluster.close()
    finally:
        await store.close()
