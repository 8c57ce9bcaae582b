"""The sandbox shop with a bad release live, for each strategy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.clouds.aws import BotoAws
from bot.clouds.commands import EnvironmentSecrets, LocalCommands
from bot.clouds.http import HttpClient
from bot.clouds.kubernetes.cluster import KubernetesCluster
from bot.clouds.kubernetes.logins import connect_cluster
from bot.core.clock import SystemClock
from bot.engine.world import World
from sandbox.cluster.base.rbac import ADMIN_RULES, Rule, User
from sandbox.cluster.cluster import Cluster
from sandbox.cluster.node.images import ImageRegistry
from sandbox.cluster.node.timings import QUICK
from sandbox.shop import delivery, manifests
from sandbox.shop.server import push_releases
from tests.strategies import sets
from tests.strategies.argo_shop import argo, stuck
from tests.strategies.canary_shop import canary, gateway, istio, nginx, replicas, route
from tests.strategies.elbv2_fixtures import (
    account,
    aws_world,
    boto,
    either_place,
    hasty_clock,
    listener_shop,
    opened,
    premises,
    rule_shop,
)
from tests.strategies.flag_services.fixtures import (
    flag_appconfig,
    flag_flagsmith,
    flag_http,
    flag_launchdarkly,
    flag_unleash,
    unleash_process,
)
from tests.strategies.flagger_shop import flagger, gate, idle
from tests.strategies.recreate_shop import either, files, revision
from tests.strategies.support import NAMESPACE, Shop, checkout, payments, rules_of_the_bot

# Fixtures of other modules that the tests here share.
__all__ = [
    "account",
    "argo",
    "aws_world",
    "boto",
    "canary",
    "either",
    "either_place",
    "files",
    "flag_appconfig",
    "flag_flagsmith",
    "flag_http",
    "flag_launchdarkly",
    "flag_unleash",
    "flagger",
    "gate",
    "gateway",
    "hasty_clock",
    "idle",
    "istio",
    "listener_shop",
    "nginx",
    "opened",
    "premises",
    "replicas",
    "revision",
    "route",
    "rule_shop",
    "stuck",
    "unleash_process",
]

BOT_TOKEN = "bot-token"


@asynccontextmanager
async def connected(
    cluster: Cluster, directory: Path, user: str = "rollback-bot"
) -> AsyncIterator[KubernetesCluster]:
    """The bot's client, configured as in production by a kubeconfig."""
    path = cluster.write_kubeconfig(directory / f"{user}.kubeconfig", user=user)
    client = await connect_cluster({"KUBECONFIG": str(path)})
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture
async def sandbox() -> AsyncIterator[Cluster]:
    """A quick cluster where the bot has the rights of deploy/rbac.yaml."""
    images = ImageRegistry()
    push_releases(images, seed=11, startup_factor=0.02)
    users = {
        BOT_TOKEN: User(name="rollback-bot", rules=rules_of_the_bot()),
        "cautious-token": User(
            name="cautious", rules=rules_of_the_bot(without="rollback-bot-gitops-suspend")
        ),
        "person-token": User(name="person", rules=ADMIN_RULES),
        "reader-token": User(
            name="reader", rules=(Rule(verbs=("get", "list", "watch", "create")),)
        ),
    }
    async with Cluster(
        images=images, timings=QUICK, users=users, namespaces=(NAMESPACE, "argocd")
    ) as cluster:
        yield cluster


@pytest.fixture
async def world(sandbox: Cluster, tmp_path: Path) -> AsyncIterator[World]:
    async with connected(sandbox, tmp_path) as client:
        yield World(
            cluster=client,
            http=HttpClient(),
            aws=BotoAws(),
            commands=LocalCommands(),
            secrets=EnvironmentSecrets(),
            clock=SystemClock(),
        )


@pytest.fixture
async def blue_green(sandbox: Cluster, world: World) -> Shop:
    """checkout: green with v2.1.0 is live, blue with v2.0.0 still runs."""
    await delivery.install(sandbox, "blue-green")
    await delivery.release(sandbox, "blue-green")
    service = checkout(sandbox.service_url(NAMESPACE, "checkout"))
    return Shop(cluster=sandbox, world=world, strategy="blue-green", service=service)


@pytest.fixture
async def rolling(sandbox: Cluster, world: World) -> Shop:
    """payments: two pods of v2.0.0, then of v2.1.0."""
    for manifest in [*manifests.payments_configuration(), manifests.payments_service()]:
        sandbox.apply(manifest)
    for version in ("v2.0.0", "v2.1.0"):
        sandbox.apply(manifests.payments_deployment(version, replicas=2))
        await delivery.rolled_out(sandbox, "payments")
    return Shop(cluster=sandbox, world=world, strategy="rolling", service=payments())


@pytest.fixture
async def stateful(sandbox: Cluster, world: World) -> Shop:
    """payments as a StatefulSet: two pods of v2.0.0, then of v2.1.0."""
    return await sets.released(sandbox, world, "StatefulSet")


@pytest.fixture
async def daemons(sandbox: Cluster, world: World) -> Shop:
    """payments as a DaemonSet: a pod on each of three nodes, of v2.0.0, then of v2.1.0."""
    return await sets.released(sandbox, world, "DaemonSet")


@pytest.fixture(params=["blue_green", "rolling", "stateful"])
def shop(request: pytest.FixtureRequest) -> Shop:
    """Each strategy in turn."""
    found: Shop = request.getfixturevalue(request.param)
    return found
