"""The composition root of the commands that work without Slack."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from bot.catalog.catalog import Catalog
from bot.catalog.settings import Settings
from bot.core.errors import FeatureUnavailableError, PermanentError
from bot.core.scheduler import ApScheduler
from bot.core.values import Actor
from bot.engine.context import Changes, Context, Resolution, Room
from bot.engine.engine import Engine
from bot.entry.assembly import PHASES, cluster_of, make_context, owner_name
from bot.store.open import open_store, open_untouched
from bot.store.sqlite import UntouchedSqlite
from bot.store.store import Store

# The store alone, for what is asked of the bot's records and of nothing else.


@asynccontextmanager
async def records(settings: Settings) -> AsyncIterator[Store]:
    """The store alone, for reading.

    Raises PermanentError where there is none: no record is not the same as nothing recorded.
    """
    store = open_untouched(settings.database_url)
    if isinstance(store, UntouchedSqlite) and not store.is_there:
        raise PermanentError(
            "There is no store where ROLLBACK_DATABASE_URL points, so nothing can be told.",
            "Set ROLLBACK_DATABASE_URL to the store of the bot that serves.",
        )
    await store.start()
    try:
        yield store
    finally:
        await store.close()


# The chat platform that is not there: for the commands that run without Slack.


class NoChat:
    """Implements ``bot.engine.context.Chat`` with what the catalog alone can tell."""

    async def open_channel(self, name: str, *, since: datetime) -> Room:
        """There is nowhere to create a channel."""
        raise FeatureUnavailableError(
            f"#{name} could not be created, because this command runs without Slack.",
            "Invite the team by hand.",
        )

    async def resolve(self, references: Sequence[str]) -> Resolution:
        """People by the references themselves: only Slack knows names and members."""
        return Resolution(people=tuple(Actor(id=one, name=one) for one in references))

    async def addresses(self, people: Sequence[Actor]) -> dict[str, str]:
        """Of people whom the catalog names by their address; only Slack knows the others'."""
        return {person.id: person.id for person in people if "@" in person.id}


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
