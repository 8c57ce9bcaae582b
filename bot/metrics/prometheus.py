"""Counts out of Prometheus, through its HTTP API.

Counts are ``increase`` over each bucket, evaluated at the bucket's end: a value at t is about
(t - bucket, t]. Prometheus extrapolates between scrapes, so buckets should be several scrapes long.
"""

from __future__ import annotations

import asyncio
import base64
import math
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from string import Template
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from bot.catalog.metrics import Hosted
from bot.catalog.types import SecretName, ServerUrl
from bot.clouds.outside import Http, Secrets
from bot.core.errors import PermanentError, RollbackBotError, TemporaryError
from bot.core.values import Value
from bot.metrics.hosted import NAMES, Counts, Exported, Grid, LabelName, WebApi, attempted
from bot.metrics.port import Measured, MetricsProvider, MetricsSource, Series

# Metrics out of Prometheus, or of what speaks its API.

_PLACES = {"labels", "window"}


def _template(text: str) -> str:
    strange = set(Template(text).get_identifiers()) - _PLACES
    if strange:
        raise ValueError(f"${min(strange)} stands for nothing; only $labels and $window are put in")
    return text


PromQL = Annotated[str, StringConstraints(min_length=1), AfterValidator(_template)]
"""A query with one value as its result; ``$labels`` and ``$window`` are put in."""


class PromQueries(Value):
    """Queries in one's own words, each in the place of the one made from the metrics' names.

    ``$window`` is the length of time that the value must be about, up to the moment of
    evaluation: an interval for counts, the whole span for the others.
    """

    requests: PromQL | None = None
    """Number of requests within ``$window``: ``increase``, never ``rate``."""
    errors: PromQL | None = None
    """Number of failed requests within ``$window``; while there is none it must answer 0."""
    latency: PromQL | None = None
    """Mean response time, milliseconds."""
    p95: PromQL | None = None
    """95 % of the requests took at most so long, milliseconds."""
    p99: PromQL | None = None
    """99 % of the requests took at most so long, milliseconds."""
    saturation: PromQL | None = None
    """Between 0 and 1."""
    business: PromQL | None = None
    """Number within ``$window``."""

    @model_validator(mode="after")
    def _requests_and_errors_together(self) -> PromQueries:
        if (self.requests is None) != (self.errors is None):
            raise ValueError("name requests and errors together: one is a part of the other")
        return self


class PrometheusMetrics(Exported, Hosted):
    """The HTTP API of Prometheus, Thanos, Mimir, VictoriaMetrics …"""

    provider: Literal["prometheus"]
    url: ServerUrl
    """Without ``/api/v1``."""
    token: SecretName | None = None
    """A bearer token."""
    username: str | None = None
    """The user's name, for basic authentication."""
    password: SecretName | None = None
    """Name of the environment variable with the password."""
    tenant: str | None = None
    """Sent as ``X-Scope-OrgID``, for servers with several tenants."""
    labels: dict[LabelName, str] = Field(default_factory=dict)
    """What selects the service's series, for example ``job: checkout``."""
    release_label: LabelName | None = None
    """Label of the request counter that names the release."""
    queries: PromQueries = PromQueries()
    """PromQL of your own in place of what is made of the names above."""

    @model_validator(mode="after")
    def _one_service_and_one_way_in(self) -> PrometheusMetrics:
        if not self.labels and self.queries.requests is None:
            raise ValueError("labels must select the service, for example {job: checkout}")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        if self.token and self.password:
            raise ValueError("name either token or username and password")
        return self


# The HTTP API of Prometheus: the few questions that are asked.

_KNOWN_WITHIN = timedelta(days=1)
"""A series that had no sample for so long does not exist any more."""
CHECK = "Check names and queries under metrics in rollback.yml."


def api_of(settings: PrometheusMetrics, http: Http, secrets: Secrets) -> WebApi:
    """The server, with what lets us in."""
    variable = settings.token or settings.password

    def headers() -> dict[str, str]:
        found = {"X-Scope-OrgID": settings.tenant} if settings.tenant else {}
        if settings.token:
            found["Authorization"] = f"Bearer {secrets.read(settings.token).strip()}"
        elif settings.password:
            pair = f"{settings.username}:{secrets.read(settings.password)}"
            found["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        return found

    mend = f"Put valid credentials into {variable}." if variable else "Name a token for it."
    base = str(settings.url).rstrip("/")
    return WebApi(
        http=http,
        name=f"Prometheus ({base})",
        base=base,
        headers=headers,
        credentials=mend,
        right="Let the bot read the query API.",
    )


class Server:
    """One Prometheus. An answer that is not whole is an error, never a small number."""

    def __init__(self, api: WebApi) -> None:
        self._api = api

    async def counts(self, name: str, query: str, grid: Grid) -> list[float | None]:
        """One count for each bucket; raises PermanentError when there are several series."""
        parameters = {
            "query": query,
            "start": _moment(grid.start + timedelta(seconds=grid.seconds)),
            "end": _moment(grid.end),
            "step": f"{grid.seconds:g}",
        }
        data = await self._ask("/api/v1/query_range", parameters)
        result = data.get("result") or []
        if len(result) > 1:
            raise PermanentError(
                f"The query for {name} returns {len(result)} series, not one.",
                "Wrap it in sum(…).",
            )
        points = {float(at): float(value) for one in result for at, value in one["values"]}
        return grid.filled(points, ends=True)

    async def figure(self, query: str, at: datetime) -> float | None:
        """One value; None where there is none, or one that is no number."""
        data = await self._ask("/api/v1/query", {"query": query, "time": _moment(at)})
        result = data.get("result") or []
        if data.get("resultType") == "scalar":
            result = [{"value": result}]
        if len(result) > 1:
            raise PermanentError(f"The query returns {len(result)} series, not one.", CHECK)
        value = float(result[0]["value"][1]) if result else math.nan
        return value if math.isfinite(value) else None

    async def by_label(self, query: str, label: str, at: datetime) -> dict[str, int]:
        """Whole numbers by a label's value; what has no such label, or is zero, is left out."""
        data = await self._ask("/api/v1/query", {"query": query, "time": _moment(at)})
        found = {
            one["metric"].get(label, ""): float(one["value"][1]) for one in data.get("result") or []
        }
        return {
            name: round(value)
            for name, value in found.items()
            if name and math.isfinite(value) and round(value)
        }

    async def knows(self, selector: str, at: datetime) -> bool:
        """Whether there was such a series within the last day; asks the index only."""
        parameters = {
            "match[]": selector,
            "start": _moment(at - _KNOWN_WITHIN),
            "end": _moment(at),
        }
        return bool(await self._ask("/api/v1/label/__name__/values", parameters))

    async def _ask(self, path: str, parameters: Mapping[str, str]) -> Any:
        """The data of an answer that is whole."""
        body = await self._api.get(path, parameters)
        if not isinstance(body, dict) or "status" not in body:
            raise PermanentError(
                f"{self._api.name} does not answer as Prometheus does.",
                "Check metrics.url in rollback.yml: it ends before /api/v1.",
            )
        if body["status"] != "success":
            said = f"{self._api.name} refuses the query: {body.get('error', 'without a reason')}."
            if body.get("errorType") in {"timeout", "canceled", "internal", "unavailable"}:
                raise TemporaryError(said, "Is it overloaded?")
            raise PermanentError(said, CHECK)
        for warning in body.get("warnings") or ():
            # PromQL's own remarks are about the query; all others say that data is missing.
            if str(warning).startswith("PromQL"):
                raise PermanentError(f"{self._api.name} warns: {warning}.", CHECK)
            raise TemporaryError(
                f"{self._api.name} answers in part: {warning}.", "Are all of its stores up?"
            )
        return body.get("data") or {}


def _moment(at: datetime) -> str:
    return f"{at.timestamp():.3f}"


# The queries that are made from the names of a service's metrics.

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def milliseconds(seconds: float) -> str:
    """A duration as PromQL has it; fractions of a second are only possible like this."""
    return f"{round(seconds * 1000)}ms"


def matchers(labels: Mapping[str, str], *more: str) -> str:
    """``job="checkout",code=~"5.."``."""
    return ",".join([*(f"{name}={quoted(value)}" for name, value in labels.items()), *more])


def quoted(text: str) -> str:
    """A PromQL string."""
    return f'"{text.translate(_ESCAPES)}"'


@dataclass(frozen=True, kw_only=True)
class Queries:
    """Each method gives a query whose value at time t is about the window that ends at t."""

    settings: PrometheusMetrics

    def requests(self, window: str) -> str:
        """Number of requests."""
        own = self.settings.queries.requests
        return self._own(own, window) if own else f"sum({self._grown(self._served(), window)})"

    def errors(self, window: str) -> str:
        """Number of failed requests."""
        own = self.settings.queries.errors
        return self._own(own, window) if own else f"sum({self._grown(self._failed(), window)})"

    def business(self, window: str) -> str | None:
        """Number of what the service is there for; None when it is not configured."""
        own, name = self.settings.queries.business, self.settings.business
        if own:
            return self._own(own, window)
        labels = matchers(self.settings.labels)
        return f"sum({self._grown(f'{name}{{{labels}}}', window)})" if name else None

    def latency(self, window: str) -> str:
        """Mean response time in milliseconds."""
        own = self.settings.queries.latency
        if own:
            return self._own(own, window)
        total, number = (
            f"sum(increase({self._timed(part)}[{window}]))" for part in ("sum", "count")
        )
        return f"1000 * {total} / {number}"

    def quantile(self, share: float, own: str | None, window: str) -> str:
        """Response time in milliseconds that this share of the requests did not exceed."""
        if own:
            return self._own(own, window)
        buckets = f"sum by (le) (increase({self._timed('bucket')}[{window}]))"
        return f"1000 * histogram_quantile({share:g}, {buckets})"

    def saturation(self, window: str) -> str:
        """How full the fullest instance is."""
        own = self.settings.queries.saturation
        if own:
            return self._own(own, window)
        labels = matchers(self.settings.labels)
        parts = (name.strip() for name in self.settings.saturation.split("/"))
        return f"max({' / '.join(f'{name}{{{labels}}}' for name in parts)})"

    def releases(self, window: str) -> str | None:
        """Number of requests of each release; None when no label names it."""
        label = self.settings.release_label
        if label is None or self.settings.queries.requests:
            return None
        return f"sum by ({label}) (increase({self._served()}[{window}]))"

    def counter(self) -> str:
        """What selects the counter of requests."""
        return self._served()

    def labelled(self) -> str:
        """What selects those of its series that have the label that tells errors."""
        return self._served(f'{self.settings.error_label}!=""')

    def _served(self, *more: str) -> str:
        settings = self.settings
        return f"{settings.requests}{{{matchers({**settings.labels, **settings.where}, *more)}}}"

    def _failed(self) -> str:
        return self._served(f"{self.settings.error_label}=~{quoted(self.settings.error_pattern)}")

    def _timed(self, part: str) -> str:
        settings = self.settings
        labels = matchers({**settings.labels, **settings.where})
        return f"{settings.duration}_{part}{{{labels}}}"

    def _grown(self, series: str, window: str) -> str:
        """What counters grew by within the window, series that were born in it included.

        ``increase`` sees only what happens after a series' first sample, and client libraries
        create the series of a status code with its first response: a first error of every
        replica and path would be lost. A series that was born in the window counts by its value,
        where something of the same target was scraped before. Where nothing was, the series may
        be older than what Prometheus knows of it, and its value would be the whole past.
        """
        before = f"last_over_time({series}[{window}] offset {window})"
        target = f"last_over_time({self._known()}[{window}] offset {window})"
        born = f"last_over_time({series}[{window}]) unless {before}"
        return f"(({born}) and on (job, instance) {target}) or increase({series}[{window}])"

    def _known(self) -> str:
        settings = self.settings
        return f"{settings.requests}{{{matchers(settings.labels)}}}"

    def _own(self, text: str, window: str) -> str:
        labels = matchers({**self.settings.labels, **self.settings.where})
        return Template(text).safe_substitute(labels=labels, window=window)


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
