"""What ``bot.entry.serve`` (with Slack) and ``bot.entry.offline`` (without) put together alike."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from bot.assessment import assess, declare
from bot.catalog.catalog import Catalog
from bot.clouds.aws import BotoAws
from bot.clouds.commands import EnvironmentSecrets, LocalCommands, LocalFiles
from bot.clouds.http import HttpClient
from bot.clouds.kubernetes.cluster import KubernetesCluster, NoCluster
from bot.clouds.kubernetes.logins import connect_cluster
from bot.clouds.kubernetes.objects import Cluster
from bot.communication.announcer import Announcer
from bot.communication.messages import MESSAGES as JOURNEY_MESSAGES
from bot.core.clock import SystemClock
from bot.core.scheduler import Scheduler
from bot.engine.context import Chat, Context
from bot.engine.journal import Journal
from bot.engine.world import World
from bot.execution import execute, prepare, reminders
from bot.freeze import freeze
from bot.freeze.messages import MESSAGES as FREEZE_MESSAGES
from bot.home import records
from bot.incident.duties import Duty
from bot.incident.state import Incident
from bot.metrics.port import Access, MetricsByProvider, Record
from bot.paperwork import conclude, follow_up
from bot.paperwork.github import GitHub
from bot.paperwork.messages import MESSAGES as PAPERWORK_MESSAGES
from bot.proof import causes, relapse, tripwire, verify
from bot.proof.messages import MESSAGES as RELAPSE_MESSAGES
from bot.reporting.messages import MESSAGES as REPORTING_MESSAGES
from bot.store.store import Store
from strategies.freezing import DeployFreezer
from strategies.registry import step_kind, strategy

PHASES = {
    Duty.ASSEMBLE: declare.assemble,
    Duty.PREPARE: prepare.prepare,
    Duty.EXECUTE: execute.execute,
    Duty.VERIFY: verify.verify,
    Duty.FIND_CAUSES: causes.find,
    Duty.FREEZE: freeze.settle,
    Duty.REPORT: conclude.conclude,
}

MESSAGES = (
    JOURNEY_MESSAGES,
    RELAPSE_MESSAGES,
    FREEZE_MESSAGES,
    PAPERWORK_MESSAGES,
    REPORTING_MESSAGES,
)
"""What events are worth, one table a room."""


def owner_name() -> str:
    """A name for this process that no other process ever has."""
    return f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"


async def cluster_of(catalog: Catalog) -> KubernetesCluster | NoCluster:
    """The cluster of the environment; none where the catalog has nothing in one.

    Raises what ``connect_cluster`` raises.
    """
    return await connect_cluster() if catalog.is_in_cluster else NoCluster()


def make_context(
    *,
    catalog: Catalog,
    store: Store,
    cluster: Cluster,
    chat: Chat,
    changed: Callable[[Incident], None],
) -> tuple[Context, Record, Announcer]:
    """The pipeline's context over the real world, what takes readings for its metrics, and who
    draws what is owed."""
    clock = SystemClock()
    world = World(
        cluster=cluster,
        http=HttpClient(),
        aws=BotoAws(),
        commands=LocalCommands(),
        secrets=EnvironmentSecrets(),
        clock=clock,
    )
    metrics = MetricsByProvider(
        Access(
            http=world.http,
            aws=world.aws,
            cluster=cluster,
            store=store,
            secrets=world.secrets,
            clock=clock,
        )
    )
    announcer = Announcer(catalog, MESSAGES)
    context = Context(
        catalog=catalog,
        clock=clock,
        store=store,
        journal=Journal(store=store, clock=clock, announcer=announcer, changed=changed),
        chat=chat,
        metrics=metrics,
        world=world,
        strategy=strategy,
        step_kind=step_kind,
        freezer=DeployFreezer(),
        forge=GitHub(EnvironmentSecrets()),
        files=LocalFiles(),
    )
    return context, metrics.record, announcer


# What goes on at fixed intervals without anybody asking: one line a job.

RECONCILE = timedelta(seconds=15)
"""How often this process looks after incidents that another one may have left."""
TRIPWIRE = timedelta(minutes=1)
FOLLOW_UP = timedelta(minutes=1)
FREEZE = timedelta(minutes=1)
REMINDERS = timedelta(minutes=10)
PRUNE = timedelta(hours=1)
KEEP_SCRAPES = timedelta(days=2)

Look = Callable[[Context], Awaitable[None]]


def schedule(
    scheduler: Scheduler,
    context: Context,
    record: Record,
    *,
    reconcile: Callable[[], Awaitable[None]],
) -> None:
    """Hand every job to the scheduler; each asks the store what is due, so none may be missed."""
    watching = context.catalog.assessment.watch_every
    looks: tuple[tuple[str, timedelta, Look], ...] = (
        ("watch", watching, assess.look),
        ("tripwire", TRIPWIRE, tripwire.look),
        ("follow up", FOLLOW_UP, follow_up.look),
        ("relapse", watching, relapse.look),
        ("deployments", records.LOOK_EVERY, records.look),
        ("freeze", FREEZE, freeze.look),
        ("reminders", REMINDERS, reminders.look),
        ("prune", PRUNE, prune),
    )
    scheduler.every("reconcile", RECONCILE, reconcile)
    for name, interval, look in looks:
        scheduler.every(name, interval, partial(look, context))
    soon = context.clock.now() + records.FIRST_LOOK
    scheduler.at("first look at deployments", soon, partial(records.look, context))
    for name, entry in context.catalog.services.items():
        if entry.metrics and (every := entry.metrics.recorded_every):
            job = partial(record, name, entry)
            scheduler.every(f"scrape {name}", every, job)
            # What is normal begins to be known with the first reading, not a round later.
            scheduler.at(f"first scrape {name}", context.clock.now(), job)


async def prune(context: Context) -> None:
    """Forget what nobody needs any more."""
    await context.store.prune(now=context.clock.now(), keep_scrapes=KEEP_SCRAPES)
