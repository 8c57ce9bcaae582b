"""Every provider of metrics: the same traffic, the same counts, and nothing called healthy
that is only unknown."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from moto.cloudwatch.models import Statistics
from moto.server import ThreadedMotoServer

from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes import api
from bot.core.backoff import Backoff
from bot.core.errors import ConfigurationError, ForbiddenError, PermanentError, TemporaryError
from bot.metrics.port import Series
from bot.store.sqlite import SqliteStore
from sandbox.datadog.server import API_KEY, APPLICATION_KEY, DatadogServer
from tests.contracts.metrics_prometheus import PASSWORD, PrometheusServer, find_prometheus
from tests.contracts.metrics_stages import CloudWatchStage, DatadogStage, PodStage, PrometheusStage
from tests.contracts.metrics_story import (
    FAILING,
    HEALTHY,
    ORDERS,
    QUIET,
    RELEASE,
    SERVICE,
    START,
    STORIES,
    Stage,
    Story,
)

SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "for-moto-only",
    "PROMETHEUS_PASSWORD": PASSWORD,
    "WRONG_PASSWORD": "not-the-secret",
    "DD_API_KEY": API_KEY,
    "DD_APP_KEY": APPLICATION_KEY,
}
ELSEWHERE = {
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}
"""So that nothing of this machine's own is used."""
PROVIDERS = ("pods", "prometheus", "cloudwatch", "datadog")


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets and accounts of the test's own, and no patience with servers that are gone."""
    for name, value in (SECRETS | ELSEWHERE).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(api, "BACKOFF", Backoff(first=0.0, longest=0.0))
    monkeypatch.setattr(api, "ATTEMPTS", 2)


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    if not find_prometheus():
        if os.environ.get("CI") == "true":
            pytest.fail("Prometheus is not installed: CI must count with the real server.")
        pytest.skip("Prometheus (prometheus, promtool) is not installed.")
    server = PrometheusServer(tmp_path_factory.mktemp("prometheus"), STORIES)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """Moto's server; it knows no percentiles, which CloudWatch has."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    known = Statistics.get_statistics_for_type

    def with_percentiles(self: Statistics, stat: str) -> object:
        values = sorted(self.metric_single_values_list)
        if not stat.startswith("p"):
            return known(self, stat)
        return values[int(len(values) * float(stat[1:]) / 100)]

    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Statistics, "get_statistics_for_type", with_percentiles)
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=PROVIDERS)
async def stage(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stage]:
    match request.param:
        case "pods":
            store = SqliteStore(tmp_path / "store.sqlite3")
            await store.start()
            yield PodStage(store)
            await store.close()
        case "prometheus":
            yield PrometheusStage(request.getfixturevalue("prometheus"))
        case "cloudwatch":
            monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint := request.getfixturevalue("moto"))
            yield CloudWatchStage(endpoint, monkeypatch)
        case _:
            server = DatadogServer()
            await server.start()
            yield DatadogStage(server)
            await server.stop()


async def read(
    stage: Stage, entry: ServiceEntry, story: Story, *, late: float = 0, seconds: float = 60
) -> Series:
    start = START + timedelta(seconds=late)
    return await stage.metrics.series(SERVICE, entry, start=start, end=story.end, seconds=seconds)


def per_bucket(series: Series) -> tuple[tuple[int, int], ...]:
    return tuple((bucket.requests, bucket.errors) for bucket in series.buckets)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
async def test_the_same_traffic_makes_the_same_counts(stage: Stage, story: Story) -> None:
    series = await read(stage, await stage.tell(story), story)
    assert per_bucket(series) == story.counts
    assert [bucket.start for bucket in series.buckets] == [
        START + timedelta(minutes=number) for number in range(len(story.minutes))
    ]


async def test_everything_beside_the_counts_is_told_too(stage: Stage) -> None:
    series = await read(stage, await stage.tell(HEALTHY), HEALTHY)
    assert series.latency_ms == pytest.approx(200)
    assert series.p95_ms is not None
    assert series.p99_ms is not None
    assert 200 <= series.p95_ms <= series.p99_ms <= 250
    assert series.business_per_minute == pytest.approx(ORDERS)
    if not isinstance(stage, CloudWatchStage):
        assert series.saturation == pytest.approx(0.25)
        assert series.requests_by_release == {RELEASE: series.requests}
    assert series.problems == ()


async def test_longer_buckets_hold_what_the_shorter_ones_hold_together(stage: Stage) -> None:
    series = await read(stage, await stage.tell(FAILING), FAILING, seconds=120)
    assert per_bucket(series) == ((1200, 120), (1000, 460))
    assert {bucket.seconds for bucket in series.buckets} == {120}


async def test_what_happened_before_the_start_is_in_no_bucket(stage: Stage) -> None:
    """The evidence after a switch of traffic must not hold the failures from before it."""
    series = await read(stage, await stage.tell(FAILING), FAILING, late=180)
    assert per_bucket(series) == (FAILING.counts[3],)


async def test_an_empty_span_has_no_buckets(stage: Stage) -> None:
    entry = await stage.tell(HEALTHY)
    series = await stage.metrics.series(SERVICE, entry, start=START, end=START, seconds=60)
    assert series.buckets == ()


async def test_a_wrong_name_for_requests_is_an_error_and_not_a_lull(stage: Stage) -> None:
    entry = stage.misnamed(await stage.tell(HEALTHY), requests=True)
    with pytest.raises(PermanentError) as caught:
        await read(stage, entry, HEALTHY)
    assert "metrics" in caught.value.remedy


async def test_a_wrong_name_for_errors_is_an_error_and_not_a_healthy_service(stage: Stage) -> None:
    entry = stage.misnamed(await stage.tell(HEALTHY), requests=False)
    with pytest.raises(PermanentError) as caught:
        await read(stage, entry, HEALTHY)
    assert "metrics" in caught.value.remedy


async def test_a_service_without_traffic_is_no_error_and_proves_nothing(stage: Stage) -> None:
    entry = await stage.tell(QUIET)
    lull = START + timedelta(minutes=1)
    series = await stage.metrics.series(
        SERVICE, entry, start=lull, end=lull + timedelta(minutes=2), seconds=60
    )
    assert per_bucket(series) == ((0, 0), (0, 0))
    assert series.error_rate is None


async def test_a_source_that_is_gone_is_told_as_temporary(stage: Stage) -> None:
    entry = stage.unreachable(await stage.tell(HEALTHY))
    with pytest.raises(TemporaryError):
        await read(stage, entry, HEALTHY)


async def test_wrong_credentials_are_told_without_showing_them(stage: Stage) -> None:
    entry = stage.shut_out(await stage.tell(HEALTHY))
    with pytest.raises((ForbiddenError, ConfigurationError)) as caught:
        await read(stage, entry, HEALTHY)
    assert caught.value.remedy
    assert not any(secret in str(caught.value) for secret in SECRETS.values())


@pytest.mark.parametrize("late", [4, 7.5, 14.9])
async def test_intervals_that_begin_between_two_scrapes_are_extrapolated(
    prometheus: PrometheusServer, late: float
) -> None:
    """Prometheus adds what lies between the first scrape and the edge; that must not mislead."""
    stage = PrometheusStage(prometheus)
    series = await read(stage, await stage.tell(FAILING), FAILING, late=late)
    # The last interval is not over.
    assert per_bucket(series) == FAILING.counts[:3]
