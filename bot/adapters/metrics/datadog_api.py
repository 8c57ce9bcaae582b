"""Datadog's API: the few questions that are asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from bot.adapters.metrics.grid import MINUTE, Grid
from bot.adapters.metrics.web_api import WebApi, message_in
from bot.config.metrics.datadog import DatadogMetrics
from bot.errors import NotFoundError, PermanentError
from bot.ports.outside import Http, Secrets

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
