"""Any cluster of which ``KUBECONFIG_TEST`` names the kubeconfig; ``make test-cluster`` sets it.

Every test has a namespace of its own. A node of our own stands for kubelets (fake_kubelet.py).
All of it is taken away in the end.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from bot.clouds.aws import BotoAws
from bot.clouds.commands import EnvironmentSecrets, LocalCommands
from bot.clouds.http import HttpClient
from bot.clouds.kubernetes.api import Api
from bot.clouds.kubernetes.objects import PODS
from bot.clouds.kubernetes.rollouts import WorkloadKind
from bot.core.clock import SystemClock
from bot.engine.world import World
from tests.cluster.api import NAMESPACES, Administrator, RecordedCluster, open_api
from tests.cluster.fake_kubelet import FakeKubelet
from tests.cluster.stages import ClusterStage, catalog_entry, install

KUBECONFIG = os.environ.get("KUBECONFIG_TEST", "")
collect_ignore_glob = [] if KUBECONFIG else ["test_*.py"]

_GONE_SECONDS = 120.0
_KINDS: dict[str, WorkloadKind | None] = {
    "blue-green": None,
    "Deployment": "Deployment",
    "StatefulSet": "StatefulSet",
    "DaemonSet": "DaemonSet",
}


async def _with_api(work: Callable[[Api], Awaitable[None]]) -> None:
    api = await open_api(KUBECONFIG)
    try:
        await work(api)
    finally:
        await api.close()


@pytest.fixture(scope="session")
def run() -> Iterator[str]:
    """The name of this run, its node's, and the beginning of its namespaces'."""
    name = f"rollback-bot-test-{uuid.uuid4().hex[:8]}"

    async def begin(api: Api) -> None:
        await FakeKubelet(Administrator(api), RecordedCluster(api), name).register()

    async def end(api: Api) -> None:
        kubelet = FakeKubelet(Administrator(api), RecordedCluster(api), name)
        try:
            async with asyncio.timeout(_GONE_SECONDS):
                await _await_gone(api, name)
        finally:
            await kubelet.withdraw()

    asyncio.run(_with_api(begin))
    yield name
    asyncio.run(_with_api(end))


async def _await_gone(api: Api, run: str) -> None:
    """Until no namespace of this run is left; its last pods have no kubelet to end them."""
    administrator, cluster = Administrator(api), RecordedCluster(api)
    number = 0
    while number < _created[run]:
        namespace = f"{run}-{number + 1}"
        for pod in await cluster.list(PODS, namespace):
            await FakeKubelet(administrator, cluster, run).report(pod)
        if await administrator.ask("GET", NAMESPACES, "", namespace) == 404:
            number += 1
        else:
            await asyncio.sleep(0.2)


_created: dict[str, int] = {}


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    opened = await open_api(KUBECONFIG)
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
async def namespace(run: str, api: Api) -> AsyncIterator[str]:
    """A new one with somebody who reports on its pods; deleted in the end."""
    _created[run] = _created.get(run, 0) + 1
    name = f"{run}-{_created[run]}"
    administrator = Administrator(api)
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    assert await administrator.ask("POST", NAMESPACES, body=made) == 201
    async with FakeKubelet(administrator, RecordedCluster(api), run).serving(name):
        yield name
        await administrator.ask("DELETE", NAMESPACES, "", name)
        # Nothing makes pods in a namespace that ends, and no kubelet waits for these to stop.
        await administrator.ask("DELETE", PODS, name, body={"gracePeriodSeconds": 0})


def _stage(
    run: str, api: Api, namespace: str, kind: WorkloadKind | None, strategy: str
) -> ClusterStage:
    recorded = RecordedCluster(api)
    return ClusterStage(
        administrator=Administrator(api),
        recorded=recorded,
        namespace=namespace,
        node=run,
        kind=kind or "Deployment",
        strategy=strategy,
        service=catalog_entry(namespace, kind),
        world=World(
            cluster=recorded,
            http=HttpClient(),
            aws=BotoAws(),
            commands=LocalCommands(),
            secrets=EnvironmentSecrets(),
            clock=SystemClock(),
        ),
    )


@pytest.fixture
def bare(run: str, api: Api, namespace: str) -> ClusterStage:
    """A namespace with nothing in it yet."""
    return _stage(run, api, namespace, "Deployment", "rolling")


@pytest.fixture(params=list(_KINDS))
async def shop(request: pytest.FixtureRequest, run: str, api: Api, namespace: str) -> ClusterStage:
    """Each strategy in turn, with the bad release live."""
    kind = _KINDS[request.param]
    stage = _stage(run, api, namespace, kind, "rolling" if kind else "blue-green")
    await install(stage)
    return stage
