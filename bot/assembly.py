"""What ``bot.app`` (with Slack) and ``bot.offline`` (without) put together alike."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable

from bot.adapters.aws import BotoAws
from bot.adapters.clock import SystemClock
from bot.adapters.commands import EnvironmentSecrets, LocalCommands
from bot.adapters.files import LocalFiles
from bot.adapters.github import GitHub
from bot.adapters.http import HttpClient
from bot.adapters.kubernetes.absent import NoCluster
from bot.adapters.kubernetes.cluster import KubernetesCluster
from bot.adapters.kubernetes.connection import connect_cluster
from bot.adapters.metrics.providers import MetricsByProvider
from bot.adapters.store import Store
from bot.config.catalog import Catalog
from bot.domain.duties import Duty
from bot.domain.incident import Incident
from bot.pipeline import (
    causes,
    conclude,
    declare,
    execute,
    freeze,
    freeze_messages,
    paperwork_messages,
    prepare,
    relapse_messages,
    reporting_messages,
    said,
    verify,
)
from bot.pipeline.context import Context
from bot.pipeline.journal import Journal
from bot.pipeline.words import Announcer
from bot.ports.chat import Chat
from bot.ports.cluster import Cluster
from bot.ports.metrics import Access, Record
from bot.ports.world import World
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
    said.MESSAGES,
    freeze_messages.MESSAGES,
    relapse_messages.MESSAGES,
    paperwork_messages.MESSAGES,
    reporting_messages.MESSAGES,
)
"""What events are worth, one table a part of the bot."""


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
