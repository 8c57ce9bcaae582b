"""The embedded metrics provider over real wires: an API server, pods that serve, customers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.catalog.catalog import Catalog
from bot.clouds.kubernetes.logins import connect_cluster
from bot.core.clock import SystemClock
from bot.core.errors import TemporaryError
from bot.metrics.pods import PodMetrics, PodMetricsSource, PodRecorder
from bot.metrics.port import Measured, Series
from bot.store.sqlite import SqliteStore
from sandbox.cluster.base.resources import PODS
from sandbox.cluster.cluster import Cluster
from sandbox.cluster.node.images import ImageRegistry
from sandbox.cluster.node.timings import QUICK
from sandbox.shop import delivery
from sandbox.shop.load import LoadGenerator
from sandbox.shop.server import push_releases

CATALOG = Catalog.model_validate(
    {
        "services": {
            "checkout": {
                "rollback": [
                    {"strategy": "rolling", "namespace": "shop", "deployment": "checkout-blue"}
                ],
                "metrics": {
                    "namespace": "shop",
                    "selector": "app=checkout",
                    "port": 8080,
                    "every": "1s",
                },
            }
        },
        "people": {"release_managers": ["U0MANAGER"]},
    }
)
CLOCK = SystemClock()
ENTRY = CATALOG.services["checkout"]
assert isinstance(ENTRY.metrics, PodMetrics)
CHECKOUT = Measured(name="checkout", settings=ENTRY.metrics, version_label=ENTRY.version_label)


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A shop on a cluster, and the bot's eyes on it."""

    cluster: Cluster
    load: LoadGenerator
    recorder: PodRecorder
    source: PodMetricsSource

    async def series(self, start: datetime) -> Series:
        """Everything since then: the end lies behind the reading that asking for it makes."""
        end = CLOCK.now() + timedelta(seconds=30)
        return await self.source.series(CHECKOUT, start=start, end=end, seconds=60)

    async def quiet(self) -> None:
        """Wait until the customers stopped and every request under way has its answer."""
        self.load.pause()
        before = -1
        while before != (before := self.load.counts().total):
            await CLOCK.sleep(0.2)


@asynccontextmanager
async def shop(folder: Path, version: str) -> AsyncIterator[Shop]:
    images = ImageRegistry()
    push_releases(images, seed=5, startup_factor=0.02)
    store = SqliteStore(folder / "store.sqlite3")
    await store.start()
    async with Cluster(images=images, timings=QUICK) as cluster:
        await delivery.install(cluster, "blue-green", version=version)
        path = cluster.write_kubeconfig(folder / "kubeconfig")
        client = await connect_cluster({"KUBECONFIG": str(path)})
        recorder = PodRecorder(client, store, CLOCK)
        url = cluster.service_url("shop", "checkout")
        async with LoadGenerator(url, rate_per_second=120) as load:
            yield Shop(
                cluster=cluster,
                load=load,
                recorder=recorder,
                source=PodMetricsSource(store, recorder),
            )
        await client.close()
    await store.close()


@pytest.mark.parametrize(("version", "healthy"), [("v2.0.0", True), ("v2.1.0", False)])
async def test_the_bot_counts_what_the_customers_saw(
    tmp_path: Path, version: str, healthy: bool
) -> None:
    async with shop(tmp_path, version) as running:
        await running.quiet()
        seen = running.load.counts()
        start = CLOCK.now()
        await running.recorder.collect(CHECKOUT)
        running.load.resume()
        for _ in range(3):
            await asyncio.sleep(0.4)
            await running.recorder.collect(CHECKOUT)
        await running.quiet()
        counted = await running.series(start)
        now = running.load.counts()
    assert counted.requests == now.total - seen.total > 50
    assert counted.errors == now.failed - seen.failed
    assert counted.requests_by_release == {version: counted.requests}
    assert counted.latency_ms is not None
    assert counted.latency_ms > (15 if healthy else 55)
    assert (counted.errors > 5) is not healthy


async def test_a_deleted_pod_takes_no_figures_of_the_others_with_it(tmp_path: Path) -> None:
    async with shop(tmp_path, "v2.0.0") as running:
        start = CLOCK.now()
        points = await running.recorder.collect(CHECKOUT)
        assert len({point.instance for point in points}) == 3
        victim = running.cluster.store.list(PODS, "shop")[0]["metadata"]["name"]
        running.cluster.store.delete(PODS, "shop", victim)
        await asyncio.sleep(0.5)
        await running.recorder.collect(CHECKOUT)
        assert (await running.series(start)).requests > 20


async def test_an_api_server_that_is_gone_is_told_as_temporary(tmp_path: Path) -> None:
    async with shop(tmp_path, "v2.0.0") as running:
        running.load.pause()
        await running.cluster.stop()
        with pytest.raises(TemporaryError):
            await running.series(CLOCK.now())
