"""Datadog's API as its reference describes it: refusals, limits, and intervals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.clouds.commands import EnvironmentSecrets
from bot.clouds.http import HttpClient
from bot.clouds.kubernetes import api
from bot.core.backoff import Backoff
from bot.core.errors import (
    ConfigurationError,
    ForbiddenError,
    NotFoundError,
    PermanentError,
    RollbackBotError,
    TemporaryError,
)
from bot.metrics.datadog import DatadogMetrics, DatadogSource
from bot.metrics.port import Measured, Series
from sandbox.datadog.server import DatadogServer

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
async def datadog(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DatadogServer]:
    server = DatadogServer()
    monkeypatch.setattr(api, "BACKOFF", Backoff(first=0.0, longest=0.0))
    monkeypatch.setattr(api, "ATTEMPTS", 2)
    monkeypatch.setenv("DD_API_KEY", server.api_key)
    monkeypatch.setenv("DD_APP_KEY", server.application_key)
    await server.start()
    yield server
    await server.stop()


def serve(server: DatadogServer, minute: int, requests: int, errors: int = 0) -> None:
    at = int(NOON.timestamp()) + 60 * minute + 30
    server.points.add("http.requests", ["service:checkout"], [(at, requests - errors)])
    if errors:
        server.points.add("http.requests", ["service:checkout", "class:5xx"], [(at, errors)])


async def read(server: DatadogServer, *, start: float = 0, end: float = 5, **more: Any) -> Series:
    settings = DatadogMetrics.model_validate(
        {
            "provider": "datadog",
            "url": server.url,
            "requests": "sum:http.requests{service:checkout}",
            "errors": "sum:http.requests{service:checkout,class:5xx}",
            **more,
        }
    )
    measured = Measured(name="checkout", settings=settings, version_label="version")
    source = DatadogSource(HttpClient(), EnvironmentSecrets())
    span = (NOON + timedelta(minutes=start), NOON + timedelta(minutes=end))
    return await source.series(measured, start=span[0], end=span[1], seconds=60)


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (400, PermanentError, "because"),
        (401, ForbiddenError, "DD_API_KEY and DD_APP_KEY"),
        (403, ForbiddenError, "timeseries_query"),
        (404, NotFoundError, "because"),
        (422, PermanentError, "because"),
        (500, TemporaryError, "because"),
    ],
)
async def test_every_refusal_is_told_with_what_to_do(
    datadog: DatadogServer, status: int, kind: type[RollbackBotError], said: str
) -> None:
    datadog.refuse(status, "because", times=4)
    with pytest.raises(kind) as caught:
        await read(datadog)
    assert said in str(caught.value)
    assert caught.value.remedy
    assert datadog.api_key not in str(caught.value)


async def test_a_rate_limit_tells_when_to_come_back(datadog: DatadogServer) -> None:
    datadog.refuse(429, "Rate limit of 1600 requests in 3600 seconds reached", times=4, reset=1200)
    with pytest.raises(TemporaryError) as caught:
        await read(datadog)
    assert caught.value.retry_after == 1200


async def test_a_short_limit_is_waited_out(datadog: DatadogServer) -> None:
    serve(datadog, 0, 600, 6)
    datadog.refuse(429, "Rate limit reached", reset=0.01)
    series = await read(datadog, end=1)
    assert (series.requests, series.errors) == (600, 6)


async def test_a_key_that_is_not_set_is_named(
    datadog: DatadogServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DD_APP_KEY")
    with pytest.raises(ConfigurationError, match="DD_APP_KEY"):
        await read(datadog)


async def test_only_whole_minutes_after_the_start_count(datadog: DatadogServer) -> None:
    for minute in range(5):
        serve(datadog, minute, 100 + minute, 1)
    series = await read(datadog, start=0.6, end=3.5)
    assert [b.start for b in series.buckets] == [NOON + timedelta(minutes=m) for m in (1, 2)]
    assert [b.requests for b in series.buckets] == [101, 102]


async def test_a_metric_that_nobody_knows_is_an_error(datadog: DatadogServer) -> None:
    serve(datadog, 0, 600)
    with pytest.raises(PermanentError, match=r"knows no metric “http\.failures”"):
        await read(datadog, errors="sum:http.failures{service:checkout}")


async def test_no_errors_are_believed_when_the_tag_is_known(datadog: DatadogServer) -> None:
    serve(datadog, -60, 100, 10)
    serve(datadog, 0, 600)
    assert ((await read(datadog, end=1)).requests, (await read(datadog, end=1)).errors) == (600, 0)


async def test_no_errors_are_not_believed_when_nobody_knows_the_tag(
    datadog: DatadogServer,
) -> None:
    serve(datadog, 0, 600)
    with pytest.raises(PermanentError, match="tag “class”"):
        await read(datadog, end=1)


async def test_a_figure_that_is_missing_is_named(datadog: DatadogServer) -> None:
    serve(datadog, 0, 600, 6)
    series = await read(datadog, end=1, p95="p95:http.duration{service:checkout}")
    assert series.requests == 600
    assert series.problems == ("The 95 % response time: Datadog has no figure for it.",)


async def test_a_long_span_is_asked_in_portions(datadog: DatadogServer) -> None:
    serve(datadog, 0, 600, 6)
    serve(datadog, 1499, 300)
    series = await read(datadog, end=1500)
    assert (len(series.buckets), series.requests) == (1500, 900)
    assert series.buckets[-1].requests == 300
    assert len(datadog.calls) == 4
