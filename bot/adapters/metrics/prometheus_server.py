"""The HTTP API of Prometheus: the few questions that are asked."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bot.adapters.metrics.grid import Grid
from bot.adapters.metrics.web_api import WebApi
from bot.config.metrics.prometheus import PrometheusMetrics
from bot.errors import PermanentError, TemporaryError
from bot.ports.outside import Http, Secrets

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
