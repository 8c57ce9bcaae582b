"""Prometheus' API: every way not to answer, in our words; the real server is in the contracts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from bot.clouds.commands import EnvironmentSecrets
from bot.clouds.http import HttpClient
from bot.clouds.kubernetes import api
from bot.core.backoff import Backoff
from bot.core.errors import (
    ForbiddenError,
    NotFoundError,
    PermanentError,
    RollbackBotError,
    TemporaryError,
)
from bot.metrics.port import Measured, Series
from bot.metrics.prometheus import PrometheusMetrics, PrometheusSource, Queries

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TOKEN = "glsa_0123456789"
NOTHING: dict[str, Any] = {"resultType": "matrix", "result": []}


class Server:
    """Answers what it is told, by the beginning of the query."""

    def __init__(self) -> None:
        self.status, self.body, self.headers = 200, "", dict[str, str]()
        self.answers: list[tuple[str, Any]] = []
        self.asked: list[web.Request] = []
        self.url = ""
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.5)

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/prometheus"

    async def stop(self) -> None:
        await self._runner.cleanup()

    def refuse(self, status: int, body: str = "", **headers: str) -> None:
        self.status, self.body, self.headers = status, body, headers

    def answer(self, contained: str, *values: float | str, warnings: tuple[str, ...] = ()) -> None:
        """Queries that contain this have these values, one each minute."""
        points = [
            [NOON.timestamp() + 60 * number, str(value)] for number, value in enumerate(values, 1)
        ]
        series = [{"metric": {}, "values": points, "value": points[-1]}] if points else []
        data = {"resultType": "matrix", "result": series}
        self.answers.append((contained, {"data": data, "warnings": list(warnings)}))

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        if self.status != 200 or self.body:
            return web.Response(status=self.status, text=self.body, headers=self.headers)
        query = request.query.get("query", request.path)
        found = next((body for part, body in self.answers if part in query), {"data": NOTHING})
        return web.json_response({"status": "success", **found})


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setattr(api, "BACKOFF", Backoff(first=0.0, longest=0.0))
    monkeypatch.setattr(api, "ATTEMPTS", 2)
    monkeypatch.setenv("PROMETHEUS_TOKEN", TOKEN)
    server = Server()
    await server.start()
    yield server
    await server.stop()


def settings(server: Server, **changes: Any) -> PrometheusMetrics:
    given = {"provider": "prometheus", "url": server.url, "labels": {"job": "checkout"}}
    return PrometheusMetrics.model_validate({**given, "token": "PROMETHEUS_TOKEN", **changes})


async def read(server: Server, **changes: Any) -> Series:
    source = PrometheusSource(HttpClient(), EnvironmentSecrets())
    end = NOON + timedelta(minutes=3)
    given = settings(server, **changes)
    measured = Measured(name="checkout", settings=given, version_label="version")
    return await source.series(measured, start=NOON, end=end, seconds=60)


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (401, "", ForbiddenError, "PROMETHEUS_TOKEN"),
        (403, "no", ForbiddenError, "status 403"),
        (404, "404 page not found", NotFoundError, "rollback.yml"),
        (302, "", PermanentError, "log-in"),
        (400, json.dumps({"error": "unexpected end of input"}), PermanentError, "unexpected end"),
        (422, json.dumps({"error": "too many samples"}), PermanentError, "too many samples"),
        (429, "", TemporaryError, "how often"),
        (500, "<html>oops</html>", TemporaryError, "status 500"),
        (503, json.dumps({"error": "query timed out"}), TemporaryError, "query timed out"),
        (200, "<html>Please log in</html>", PermanentError, "something else than JSON"),
        (200, "[]", PermanentError, "as Prometheus does"),
    ],
)
async def test_every_refusal_is_told_with_what_to_do(
    server: Server, status: int, body: str, kind: type[RollbackBotError], said: str
) -> None:
    server.refuse(status, body)
    with pytest.raises(kind) as caught:
        await read(server)
    assert said in str(caught.value)
    assert caught.value.remedy
    assert "html" not in str(caught.value)
    assert "query=" not in str(caught.value)


async def test_a_token_is_sent_and_never_shown(server: Server) -> None:
    server.refuse(403, f"token {TOKEN} has no rights")
    with pytest.raises(ForbiddenError) as caught:
        await read(server, tenant="shop")
    assert server.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert server.asked[0].headers["X-Scope-OrgID"] == "shop"
    assert server.asked[0].path.startswith("/prometheus/api/v1/query_range")
    assert TOKEN not in str(caught.value)


async def test_the_pause_that_the_server_asks_for_is_passed_on(server: Server) -> None:
    server.refuse(429, **{"Retry-After": "120"})
    with pytest.raises(TemporaryError) as caught:
        await read(server)
    assert caught.value.retry_after == 120
    assert len(server.asked) <= 2


@pytest.mark.parametrize(
    ("error_type", "kind"),
    [("timeout", TemporaryError), ("bad_data", PermanentError), ("unavailable", TemporaryError)],
)
async def test_an_error_inside_an_answer_is_an_error(
    server: Server, error_type: str, kind: type[RollbackBotError]
) -> None:
    body = {"status": "error", "errorType": error_type, "error": "because"}
    server.refuse(200, json.dumps(body))
    with pytest.raises(kind, match="because"):
        await read(server)


async def test_an_answer_in_part_is_no_answer(server: Server) -> None:
    server.answer("http_requests_total", 10, 10, 10, warnings=("store 3 is not available",))
    with pytest.raises(TemporaryError, match="in part: store 3"):
        await read(server)


async def test_what_is_no_number_is_unknown(server: Server) -> None:
    server.answer('code=~"5.."', 0, 1, 0)
    server.answer("sum((", 600, "NaN", "+Inf")
    series = await read(server)
    assert [(b.requests, b.errors) for b in series.buckets] == [(600, 0), (1, 1), (0, 0)]
    assert series.latency_ms is None
    assert any(problem.startswith("The response time") for problem in series.problems)


async def test_several_series_are_no_count(server: Server) -> None:
    server.answer("http_requests_total", 1)
    server.answers[0][1]["data"]["result"] *= 2
    with pytest.raises(PermanentError, match="2 series"):
        await read(server)


OWN = {"requests": "sum(increase(hits{$labels}[$window]))", "errors": "sum(bad{$labels})"}


async def test_a_query_of_ones_own_must_answer_zero_while_there_are_no_errors(
    server: Server,
) -> None:
    server.answer("hits", 600, 600, 600)
    with pytest.raises(PermanentError, match="cannot be told apart") as caught:
        await read(server, queries=OWN)
    assert "or vector(0)" in caught.value.remedy


async def test_queries_of_ones_own_are_filled_in(server: Server) -> None:
    server.answer("hits", 600, 600, 600)
    server.answer("bad", 0, 3, 0)
    series = await read(server, queries=OWN)
    assert (series.requests, series.errors) == (1800, 3)
    asked = {request.query.get("query") for request in server.asked}
    assert 'sum(increase(hits{job="checkout"}[60000ms]))' in asked


async def test_one_figure_that_fails_hides_no_other(server: Server) -> None:
    server.answer('code=~"5.."', 0, 0, 3)
    server.answer("orders_total", 60, 60, 60, warnings=("a store is away",))
    server.answer("process_open_fds", 0.4)
    server.answer("sum((", 600, 600, 600)
    series = await read(server, business="orders_total")
    assert (series.requests, series.errors, series.saturation) == (1800, 3, 0.4)
    assert series.business_per_minute is None
    assert any("a store is away" in problem for problem in series.problems)


async def test_a_percentage_is_no_share(server: Server) -> None:
    server.answer('code=~"5.."', 0, 0, 3)
    server.answer("cpu", 87)
    server.answer("sum((", 600, 600, 600)
    series = await read(server, queries={"saturation": "cpu"})
    assert series.saturation is None
    assert any("87 is no share" in problem for problem in series.problems)


@pytest.mark.parametrize(
    ("value", "written"),
    [('a"b', '"a\\"b"'), ("a\\b", '"a\\\\b"'), ("a\nb", '"a\\nb"'), ("5..$", '"5..$"')],
)
def test_label_values_are_quoted(value: str, written: str) -> None:
    metrics = PrometheusMetrics.model_validate(
        {"provider": "prometheus", "url": "http://x.example", "labels": {"job": value}}
    )
    queries: list[Callable[[str], str]] = [
        Queries(settings=metrics).requests,
        Queries(settings=metrics).latency,
    ]
    assert all(f"job={written}" in query("60s") for query in queries)
