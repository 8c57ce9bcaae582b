"""Counts out of Datadog, by whole minutes, through its query API."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from bot.catalog.metrics import Hosted
from bot.catalog.types import Duration, SecretName, ServerUrl
from bot.clouds.outside import Http, Secrets
from bot.core.errors import NotFoundError, PermanentError, RollbackBotError
from bot.metrics.hosted import MINUTE, NAMES, Counts, Grid, WebApi, attempted, message_in
from bot.metrics.port import Measured, MetricsProvider, MetricsSource, Series

# Metrics out of Datadog.

_METRIC = r"[a-zA-Z][a-zA-Z0-9_.]*\{[^{}]+\}"
CountQuery = Annotated[str, StringConstraints(pattern=rf"^sum:{_METRIC}$")]
"""A count metric, summed: ``sum:trace.http.request.hits{service:checkout,env:prod}``."""
FigureQuery = Annotated[str, StringConstraints(pattern=rf"^(avg|max|min|sum|p\d\d):{_METRIC}$")]
"""Any metric: ``p95:trace.http.request{service:checkout,env:prod}``."""


class DatadogMetrics(Hosted):
    """Datadog's query API."""

    provider: Literal["datadog"]
    site: str = Field(default="datadoghq.com", pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")
    """As in the address of your Datadog: datadoghq.eu, us5.datadoghq.com …"""
    url: ServerUrl | None = None
    """Of the API, where it is not ``https://api.<site>``."""
    api_key: SecretName = "DD_API_KEY"
    """Name of the environment variable with the API key."""
    application_key: SecretName = "DD_APP_KEY"
    """With the scopes timeseries_query and metrics_read."""
    requests: CountQuery
    """Query that counts requests."""
    errors: CountQuery
    """Query that counts failed requests."""
    latency: FigureQuery | None = None
    """Query of the mean response time."""
    p95: FigureQuery | None = None
    """Query of its 95th percentile."""
    p99: FigureQuery | None = None
    """Query of its 99th percentile."""
    latency_unit: Literal["s", "ms"] = "s"
    """Of the three above; Datadog's traces are in seconds."""
    saturation: FigureQuery | None = None
    """Query of how full the service is, as a share."""
    saturation_scale: float = Field(default=1.0, gt=0)
    """The figure is multiplied by it: 0.01 for per cent."""
    business: CountQuery | None = None
    """What the service is there for, as a count: orders, sign-ups, payments."""
    release_tag: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_./-]*$")
    """Tag of the request metric that names the release, usually ``version``."""
    delay: Duration | None = timedelta(minutes=1)


# Datadog's API: the few questions that are asked.

_POINTS_AT_ONCE = 1_000
"""Datadog widens the interval when an answer would have more than about 1,500 points."""
_PARTS = re.compile(r"(?P<aggregator>\w+):(?P<metric>[^{]+)\{(?P<scope>[^}]*)\}")
_TAG_KEY = re.compile(r"([a-z][\w./-]*):")
_PLACE = "metrics in rollback.yml"


def api_of(settings: DatadogMetrics, http: Http, secrets: Secrets) -> WebApi:
    """The site's API, with both keys."""

    def headers() -> Mapping[str, str]:
        return {
            "DD-API-KEY": secrets.read(settings.api_key).strip(),
            "DD-APPLICATION-KEY": secrets.read(settings.application_key).strip(),
        }

    base = str(settings.url or f"https://api.{settings.site}").rstrip("/")
    keys = f"{settings.api_key} and {settings.application_key}"
    return WebApi(
        http=http,
        name="Datadog",
        base=base,
        headers=headers,
        credentials=f"Put valid keys of the same site and organisation into {keys}.",
        right=(
            f"Check {keys}: they belong to one site and organisation, and the application key has "
            "the scopes timeseries_query and metrics_read."
        ),
    )


class Datadog:
    """One organisation's metrics."""

    def __init__(self, api: WebApi) -> None:
        self._api = api

    async def counts(self, query: str, grid: Grid) -> list[float | None]:
        """One count a minute."""
        found: list[float | None] = []
        for part in _portions(grid):
            series = await self._query(f"{query}.as_count().rollup(sum, {MINUTE})", part)
            points: dict[float, float] = {}
            for one in series:
                points.update(_points(one))
            strays = [at for at in points if (at - part.start.timestamp()) % MINUTE]
            if strays:
                raise PermanentError(
                    f"Datadog answers in other intervals than minutes to {query}.",
                    f"Is it a count metric? Check {_PLACE}.",
                )
            found += part.filled(points)
        return found

    async def figure(self, query: str, grid: Grid, scale: float) -> float | None:
        """One value over the span; the greatest where Datadog answers in several intervals."""
        span = int(grid.seconds) * grid.number
        series = await self._query(f"{query}.rollup({_over_time(query)}, {span})", grid)
        values = [value for one in series for value in _points(one).values()]
        return max(values) * scale if values else None

    async def by_tag(self, query: str, tag: str, grid: Grid) -> dict[str, int]:
        """Whole numbers by a tag's value."""
        series = await self._query(f"{query} by {{{tag}}}.as_count()", grid)
        found: dict[str, int] = {}
        for one in series:
            names = [said.partition(":")[2] for said in one.get("tag_set") or ()]
            number = round(sum(_points(one).values()))
            if names and number:
                found[names[0]] = number
        return found

    async def check(self, query: str, name: str) -> None:
        """Raises PermanentError when Datadog does not know the metric by the query's tags."""
        parts = _PARTS.fullmatch(query)
        metric, scope = (parts["metric"], parts["scope"]) if parts else (query, "")
        try:
            body = await self._api.get(f"/api/v2/metrics/{metric}/all-tags", {})
        except NotFoundError:
            raise PermanentError(
                f"Datadog knows no metric “{metric}”.", f"Check {name} under {_PLACE}."
            ) from None
        attributes = (body.get("data") or {}).get("attributes") or {}
        known = {
            tag.partition(":")[0]
            for kind in ("tags", "ingested_tags")
            for tag in attributes.get(kind) or ()
        }
        strange = sorted(set(_TAG_KEY.findall(scope)) - known)
        if strange:
            raise PermanentError(
                f"Datadog has “{metric}”, but of late not with the tag “{strange[0]}”.",
                f"Check {name} under {_PLACE}.",
            )

    async def _query(self, query: str, grid: Grid) -> list[dict[str, Any]]:
        parameters: dict[str, str | int | float] = {
            "from": int(grid.start.timestamp()),
            # The interval that begins at the end belongs to what comes after.
            "to": int(grid.end.timestamp()) - 1,
            "query": query,
        }
        body = await self._api.get("/api/v1/query", parameters)
        if not isinstance(body, dict) or body.get("status") != "ok" or body.get("error"):
            said = message_in(str(body.get("error", ""))) if isinstance(body, dict) else ""
            raise PermanentError(
                f"Datadog refuses the query {query}: {said or 'without a reason'}.",
                f"Check {_PLACE}.",
            )
        series: list[dict[str, Any]] = body.get("series") or []
        return series


def _portions(grid: Grid) -> list[Grid]:
    return [
        Grid(
            start=grid.start + timedelta(seconds=grid.seconds * done),
            seconds=grid.seconds,
            number=min(_POINTS_AT_ONCE, grid.number - done),
        )
        for done in range(0, grid.number, _POINTS_AT_ONCE)
    ]


def _points(series: Mapping[str, Any]) -> dict[float, float]:
    """Seconds → value; intervals without data come as null."""
    return {at / 1000: float(value) for at, value in series["pointlist"] if value is not None}


def _over_time(query: str) -> str:
    """How the parts of the span are put together: extremes stay extremes."""
    aggregator = query.partition(":")[0]
    return aggregator if aggregator in {"max", "min", "sum"} else "avg"


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
