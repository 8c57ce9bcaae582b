"""Counts out of Prometheus, through its HTTP API.

Counts are ``increase`` over each bucket, evaluated at the bucket's end: a value at t is about
(t - bucket, t]. Prometheus extrapolates between scrapes, so buckets should be several scrapes long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from datetime import datetime
from typing import Any

from bot.adapters.metrics.grid import NAMES, Counts, Grid
from bot.adapters.metrics.prometheus_server import CHECK, Server, api_of
from bot.adapters.metrics.promql import Queries, milliseconds
from bot.adapters.metrics.web_api import attempted
from bot.config.metrics.prometheus import PrometheusMetrics
from bot.errors import PermanentError, RollbackBotError
from bot.ports.metrics import Measured, MetricsProvider, MetricsSource, Series
from bot.ports.outside import Http, Secrets


class PrometheusSource(MetricsSource[PrometheusMetrics]):
    """Asks the server that a service's catalog entry names."""

    def __init__(self, http: Http, secrets: Secrets) -> None:
        self._http = http
        self._secrets = secrets

    async def series(
        self,
        service: Measured[PrometheusMetrics],
        *,
        start: datetime,
        end: datetime,
        seconds: float,
    ) -> Series:
        """Counts and figures of a span; raises as ``Metrics.series`` does."""
        settings = service.settings
        grid = Grid.exact(start, end, seconds)
        if not grid.number:
            return Series(buckets=())
        server = Server(api_of(settings, self._http, self._secrets))
        queries = Queries(settings=settings)
        bucket = milliseconds(seconds)
        requests, errors = await asyncio.gather(
            server.counts("requests", queries.requests(bucket), grid),
            server.counts("errors", queries.errors(bucket), grid),
        )
        await _prove(server, queries, grid, requests=requests, errors=errors)
        found = await _figures(server, queries, grid)
        business = found.pop("business", None)
        return grid.series(
            seconds=seconds,
            requests=requests,
            errors=errors,
            business=business if isinstance(business, list) else (),
            problems=_problems({**found, "business": business}, settings, requests),
            figures={
                name: value
                for name, value in found.items()
                if value is not None and not isinstance(value, RollbackBotError)
            },
        )


PROMETHEUS = MetricsProvider(
    name="prometheus",
    settings=PrometheusMetrics,
    title="Prometheus",
    page="docs/metrics.md#prometheus",
    source=lambda access: PrometheusSource(access.http, access.secrets),
)


async def _figures(server: Server, queries: Queries, grid: Grid) -> dict[str, Any]:
    """Everything beside the counts; an error as a value, so that it hides nothing else."""
    span, own = milliseconds(grid.seconds * grid.number), queries.settings.queries
    work: dict[str, Awaitable[Any]] = {
        "latency_ms": server.figure(queries.latency(span), grid.end),
        "p95_ms": server.figure(queries.quantile(0.95, own.p95, span), grid.end),
        "p99_ms": server.figure(queries.quantile(0.99, own.p99, span), grid.end),
        "saturation": server.figure(queries.saturation(span), grid.end),
    }
    if (by_release := queries.releases(span)) is not None:
        label = queries.settings.release_label or ""
        work["requests_by_release"] = server.by_label(by_release, label, grid.end)
    if (business := queries.business(milliseconds(grid.seconds))) is not None:
        work["business"] = server.counts("business", business, grid)
    outcomes = await asyncio.gather(*(attempted(one) for one in work.values()))
    return dict(zip(work, outcomes, strict=True))


def _problems(found: Mapping[str, Any], settings: PrometheusMetrics, requests: Counts) -> list[str]:
    """One sentence for each figure that is missing and was asked for."""
    told = [
        f"{NAMES[name]}: {outcome.what}"
        for name, outcome in found.items()
        if isinstance(outcome, RollbackBotError)
    ]
    if not any(requests):
        return told
    asked = {"latency_ms", "p95_ms", "p99_ms"}
    if settings.queries.saturation or "saturation" in settings.model_fields_set:
        asked.add("saturation")
    told += [
        f"{NAMES[name]}: Prometheus has no figure for it."
        for name in sorted(asked)
        if found.get(name) is None
    ]
    business = found.get("business")
    if isinstance(business, list) and all(count is None for count in business):
        told.append(f"{NAMES['business']}: Prometheus has no series for it.")
    return told


async def _prove(
    server: Server, queries: Queries, grid: Grid, *, requests: Counts, errors: Counts
) -> None:
    """Tell no traffic and no errors from wrong names, which look the same in an answer.

    Raises PermanentError when the names are wrong, or when it cannot be told.
    """
    own = queries.settings.queries.requests is not None
    if all(count is None for count in requests) and not own:
        if not await server.knows(queries.counter(), grid.end):
            raise PermanentError(f"Prometheus knows no series {queries.counter()}.", CHECK)
        return
    if all(count is None for count in errors) and any(requests):
        if own:
            raise PermanentError(
                "The query for errors has no result although requests are counted: no errors and "
                "a wrong query cannot be told apart.",
                "Let it answer 0 while there are none, for example with “or vector(0)”.",
            )
        if not await server.knows(queries.labelled(), grid.end):
            label = queries.settings.error_label
            raise PermanentError(
                f"No request in Prometheus has the label “{label}”, so errors cannot be told.",
                "Check metrics.error_label in rollback.yml.",
            )
