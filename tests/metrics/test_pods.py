"""The embedded metrics provider: pods are asked, readings kept, and counts made of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from bot.catalog.catalog import Catalog
from bot.clouds.aws import BotoAws
from bot.clouds.commands import EnvironmentSecrets
from bot.clouds.http import HttpClient
from bot.clouds.kubernetes.objects import Cluster
from bot.core.errors import ForbiddenError, NotFoundError, PermanentError, TemporaryError
from bot.metrics.pods import PodMetrics, PodRecorder
from bot.metrics.port import Access, Measured, MetricsByProvider
from bot.store.sqlite import SqliteStore
from bot.store.store import Store
from tests.metrics.scraped_pods import NOON, Pod, Pods, VirtualClock

CATALOG = Catalog.model_validate(
    {
        "services": {
            "checkout": {
                "rollback": [
                    {"strategy": "rolling", "namespace": "shop", "deployment": "checkout"}
                ],
                "metrics": {"namespace": "shop", "selector": "app=checkout", "port": 8080},
            },
            "basket": {
                "rollback": [{"strategy": "rolling", "namespace": "shop", "deployment": "basket"}]
            },
        },
        "people": {"release_managers": ["U0MANAGER"]},
    }
)

ENTRY = CATALOG.services["checkout"]
assert isinstance(ENTRY.metrics, PodMetrics)
CHECKOUT = Measured(name="checkout", settings=ENTRY.metrics, version_label=ENTRY.version_label)


class World:
    """Two pods of v2.1.0, the recorder and the source over them."""

    def __init__(self, store: Store) -> None:
        self.clock = VirtualClock()
        born = NOON - timedelta(hours=1)
        self.a = Pod("a", born=born, image="registry.example/checkout:v2.1.0")
        self.b = Pod("b", born=born, image="registry.example:5000/checkout:v2.1.0@sha256:ab")
        self.pods = Pods(self.a, self.b)
        # Metrics list pods and ask them, and nothing else.
        cluster = cast(Cluster, self.pods)
        self.recorder = PodRecorder(cluster, store, self.clock)
        self.metrics = MetricsByProvider(
            Access(
                http=HttpClient(),
                aws=BotoAws(),
                cluster=cluster,
                store=store,
                secrets=EnvironmentSecrets(),
                clock=self.clock,
            )
        )

    async def every_15_seconds(self, rounds: int) -> None:
        for _ in range(rounds):
            await self.clock.sleep(15)
            await self.recorder.collect(CHECKOUT)

    async def series(self, start: float, end: float, seconds: float = 60) -> Any:
        return await self.metrics.series(
            "checkout",
            CATALOG.services["checkout"],
            start=NOON + timedelta(seconds=start),
            end=NOON + timedelta(seconds=end),
            seconds=seconds,
        )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = SqliteStore(tmp_path / "store.sqlite3")
    await opened.start()
    yield opened
    await opened.close()


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


async def test_requests_errors_latency_and_releases_are_counted(world: World) -> None:
    await world.recorder.collect(CHECKOUT)
    world.a.serve(60, 20)
    world.b.serve(20)
    await world.every_15_seconds(1)
    series = await world.series(0, 15, 15)
    assert (series.requests, series.errors) == (100, 20)
    assert series.latency_ms == pytest.approx(200)
    assert series.requests_by_release == {"v2.1.0": 100}


async def test_the_version_label_outranks_the_image_tag(world: World) -> None:
    world.a.version = "v2.0.0"
    points = await world.recorder.collect(CHECKOUT)
    assert {p.instance: p.release for p in points} == {"uid-a": "v2.0.0", "uid-b": "v2.1.0"}


@pytest.mark.parametrize(
    "failure",
    [
        TemporaryError("The pod does not answer."),
        NotFoundError("The pod is gone."),
        ForbiddenError("No right to ask pods."),
    ],
)
async def test_one_pod_that_fails_is_logged_and_the_others_are_read(
    world: World, failure: Exception
) -> None:
    world.a.failure = failure
    with capture_logs() as logs:
        points = await world.recorder.collect(CHECKOUT)
    assert [p.instance for p in points] == ["uid-b"]
    assert [(entry["pod"], entry["problem"]) for entry in logs] == [("a", str(failure))]


async def test_an_error_page_is_not_read_as_metrics(world: World) -> None:
    world.a.status = 503
    with capture_logs() as logs:
        points = await world.recorder.collect(CHECKOUT)
    assert [p.instance for p in points] == ["uid-b"]
    assert "503" in logs[0]["problem"]


async def test_a_gap_in_the_readings_leaves_buckets_without_requests(world: World) -> None:
    await world.recorder.collect(CHECKOUT)
    for _ in range(4):
        world.a.serve(15)
        await world.every_15_seconds(1)
    world.a.serve(500, 400)
    await world.clock.sleep(120)
    await world.recorder.collect(CHECKOUT)
    series = await world.series(0, 180)
    assert [b.requests for b in series.buckets] == [60, 0, 0]


async def test_the_pods_are_read_anew_when_the_figures_are_asked_up_to_now(world: World) -> None:
    await world.recorder.collect(CHECKOUT)
    await world.clock.sleep(10)
    world.a.serve(30, 3)
    series = await world.series(0, 10, 10)
    assert (series.requests, series.errors) == (33, 3)
    assert world.pods.rounds == 2


async def test_the_past_is_told_from_what_was_kept(world: World) -> None:
    await world.every_15_seconds(8)
    rounds = world.pods.rounds
    await world.series(0, 60)
    assert world.pods.rounds == rounds


async def test_the_first_reading_after_the_end_tells_what_happened_before_it(world: World) -> None:
    await world.recorder.collect(CHECKOUT)
    world.a.serve(15)
    await world.every_15_seconds(8)
    assert (await world.series(0, 5, 5)).requests == 5


async def test_a_restarted_container_is_counted_from_zero(world: World) -> None:
    world.a.serve(1000)
    await world.recorder.collect(CHECKOUT)
    world.a.restart(NOON + timedelta(seconds=5))
    world.a.serve(30)
    await world.every_15_seconds(1)
    assert (await world.series(0, 15)).requests == 30


async def test_a_new_pod_is_counted_from_its_birth(world: World) -> None:
    await world.recorder.collect(CHECKOUT)
    new = Pod("c", born=NOON + timedelta(seconds=3), image="checkout:v2.0.0")
    new.serve(12)
    world.pods.pods["c"] = new
    await world.every_15_seconds(1)
    assert (await world.series(0, 15)).requests_by_release == {"v2.0.0": 12}


async def test_calls_at_the_same_time_share_one_round(world: World, store: Store) -> None:
    await asyncio.gather(*(world.recorder.collect(CHECKOUT) for _ in range(5)))
    assert world.pods.rounds == 1
    assert len(await store.scrapes("checkout", start=NOON, end=NOON)) == 2


async def test_readings_survive_a_restart_of_the_bot(world: World, store: Store) -> None:
    await world.recorder.collect(CHECKOUT)
    world.a.serve(60)
    await world.every_15_seconds(1)
    await store.close()
    await store.start()
    assert (await world.series(0, 15)).requests == 60


@pytest.mark.parametrize("name", ["basket", "unheard-of"])
async def test_a_service_without_metrics_is_refused_and_the_remedy_named(
    world: World, name: str
) -> None:
    with pytest.raises(PermanentError, match=rf"services\.{name}\.metrics"):
        await world.metrics.series(
            name, CATALOG.services["basket"], start=NOON, end=NOON, seconds=60
        )


async def test_a_cluster_that_does_not_answer_is_told_as_temporary(world: World) -> None:
    world.pods.outage = TemporaryError("The API server does not answer.")
    with pytest.raises(TemporaryError):
        await world.series(-300, 0)


async def test_a_counter_that_no_pod_knows_is_told_with_its_name(world: World) -> None:
    world.a.registry = world.b.registry = CollectorRegistry()
    with pytest.raises(PermanentError, match="http_requests_total"):
        await world.series(-300, 0)


async def test_a_service_without_a_running_pod_has_no_requests(world: World) -> None:
    world.pods.pods.clear()
    assert (await world.series(-60, 0)).requests == 0
