"""Counts out of Datadog, by whole minutes, through its query API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import datetime
from typing import Any

from bot.adapters.metrics.datadog_api import Datadog, api_of
from bot.adapters.metrics.grid import NAMES, Counts, Grid
from bot.adapters.metrics.web_api import attempted
from bot.config.metrics.datadog import DatadogMetrics
from bot.errors import RollbackBotError
from bot.ports.metrics import Measured, MetricsProvider, MetricsSource, Series
from bot.ports.outside import Http, Secrets


class DatadogSource(MetricsSource[DatadogMetrics]):
    """Asks the organisation that the keys belong to."""

    def __init__(self, http: Http, secrets: Secrets) -> None:
        self._http = http
        self._secrets = secrets

    async def series(
        self,
        service: Measured[DatadogMetrics],
        *,
        start: datetime,
        end: datetime,
        seconds: float,
    ) -> Series:
        """Counts and figures of a span; raises as ``Metrics.series`` does."""
        settings = service.settings
        grid = Grid.minutes(start, end)
        if not grid.number:
            return Series(buckets=())
        datadog = Datadog(api_of(settings, self._http, self._secrets))
        requests, errors = await asyncio.gather(
            datadog.counts(settings.requests, grid), datadog.counts(settings.errors, grid)
        )
        await _prove(datadog, settings, requests=requests, errors=errors)
        found = await _figures(datadog, settings, grid)
        problems = [
            f"{NAMES[name]}: {_why(value)}"
            for name, value in found.items()
            if isinstance(value, RollbackBotError) or (any(requests) and _nothing(value))
        ]
        told = {
            name: value for name, value in found.items() if not isinstance(value, RollbackBotError)
        }
        return grid.series(
            seconds=seconds,
            requests=requests,
            errors=errors,
            business=told.pop("business", ()),
            problems=problems,
            figures=told,
        )


DATADOG = MetricsProvider(
    name="datadog",
    settings=DatadogMetrics,
    title="Datadog",
    page="docs/metrics.md#datadog",
    source=lambda access: DatadogSource(access.http, access.secrets),
)


def _nothing(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(count is None for count in value))


def _why(value: Any) -> str:
    return value.what if isinstance(value, RollbackBotError) else "Datadog has no figure for it."


async def _figures(datadog: Datadog, settings: DatadogMetrics, grid: Grid) -> dict[str, Any]:
    """Everything beside the counts; an error as a value, so that it hides nothing else."""
    factor = 1000.0 if settings.latency_unit == "s" else 1.0
    asked = {
        "latency_ms": (settings.latency, factor),
        "p95_ms": (settings.p95, factor),
        "p99_ms": (settings.p99, factor),
        "saturation": (settings.saturation, settings.saturation_scale),
    }
    work: dict[str, Awaitable[Any]] = {
        name: datadog.figure(query, grid, scale)
        for name, (query, scale) in asked.items()
        if query is not None
    }
    if settings.business:
        work["business"] = datadog.counts(settings.business, grid)
    if settings.release_tag:
        work["requests_by_release"] = datadog.by_tag(settings.requests, settings.release_tag, grid)
    outcomes = await asyncio.gather(*(attempted(one) for one in work.values()))
    return dict(zip(work, outcomes, strict=True))


async def _prove(
    datadog: Datadog, settings: DatadogMetrics, *, requests: Counts, errors: Counts
) -> None:
    """Tell no traffic and no errors from wrong names, which look the same in an answer.

    Raises PermanentError when Datadog does not know a metric, or not by the tags of the query.
    """
    if not any(requests):
        if all(count is None for count in requests):
            await datadog.check(settings.requests, "requests")
    elif all(count is None for count in errors):
        await datadog.check(settings.errors, "errors")
