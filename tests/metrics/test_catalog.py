"""How the catalog describes where a service is measured, and what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import ValidationError

from bot.catalog.load import load_catalog
from bot.catalog.service import ServiceEntry
from bot.clouds.commands import EnvironmentSecrets
from bot.clouds.http import HttpClient
from bot.clouds.kubernetes.cluster import NoCluster
from bot.clouds.outside import Aws
from bot.core.errors import ConfigurationError, PermanentError
from bot.metrics.cloudwatch import CloudWatchMetrics
from bot.metrics.datadog import DatadogMetrics
from bot.metrics.pods import PodMetrics
from bot.metrics.port import Access, MetricsByProvider
from bot.metrics.prometheus import PrometheusMetrics
from bot.store.store import Store
from tests.metrics.scraped_pods import VirtualClock

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TARGET = {"strategy": "rolling", "namespace": "shop", "deployment": "checkout"}
PROMETHEUS = {"provider": "prometheus", "url": "http://p.example", "labels": {"job": "checkout"}}
BALANCER = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/shop/50dc6c495c"
CLOUDWATCH = {"provider": "cloudwatch", "region": "eu-west-1", "load_balancer": BALANCER}
COUNT = {"namespace": "Shop", "metric": "Requests"}
DATADOG = {
    "provider": "datadog",
    "requests": "sum:http.requests{service:checkout}",
    "errors": "sum:http.errors{service:checkout}",
}


def entry(metrics: dict[str, Any]) -> ServiceEntry:
    return ServiceEntry.model_validate({"rollback": [TARGET], "metrics": metrics})


@pytest.mark.parametrize(
    ("metrics", "kind"),
    [
        ({"namespace": "shop", "selector": "app=checkout", "port": 8080}, PodMetrics),
        (PROMETHEUS, PrometheusMetrics),
        (CLOUDWATCH, CloudWatchMetrics),
        (DATADOG, DatadogMetrics),
    ],
)
def test_the_provider_tells_what_the_rest_means(metrics: dict[str, Any], kind: type) -> None:
    described = entry(metrics)
    assert isinstance(described.metrics, kind)
    assert (described.pod_metrics is not None) is (kind is PodMetrics)


def test_an_unknown_provider_is_refused_at_its_line_with_a_suggestion(tmp_path: Path) -> None:
    metrics = {**PROMETHEUS, "provider": "promethus"}
    content = {
        "services": {"checkout": {"rollback": [TARGET], "metrics": metrics}},
        "people": {"release_managers": ["U0MANAGER"]},
    }
    path = tmp_path / "rollback.yml"
    path.write_text(text := yaml.safe_dump(content))
    line = next(n for n, said in enumerate(text.splitlines(), 1) if "promethus" in said)
    with pytest.raises(ConfigurationError) as caught:
        load_catalog(path)
    assert f"rollback.yml:{line}: services.checkout.metrics.provider" in str(caught.value)
    assert "did you mean “prometheus”?" in str(caught.value)


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({**PROMETHEUS, "labels": {}}, "labels must select the service"),
        ({**PROMETHEUS, "url": "http://me:secret@p.example"}, "leave user name and password out"),
        ({**PROMETHEUS, "username": "me"}, "belong together"),
        ({**PROMETHEUS, "token": "A", "username": "me", "password": "B"}, "either token or"),
        ({**PROMETHEUS, "queries": {"requests": "x"}}, "requests and errors together"),
        ({**PROMETHEUS, "queries": {"p95": "x[$windw]"}}, "$windw stands for nothing"),
        ({**PROMETHEUS, "error_pattern": "("}, "not a regular expression"),
        ({**PROMETHEUS, "requests": 'x{job="y"}'}, "pattern"),
        ({**CLOUDWATCH, "requests": [COUNT], "errors": [COUNT]}, "either load_balancer or"),
        ({**CLOUDWATCH, "load_balancer": None, "requests": [COUNT]}, "requests and errors"),
        ({**CLOUDWATCH, "shared": True}, "target_groups"),
        ({**CLOUDWATCH, "region": "eu-west-2"}, "not in region eu-west-2"),
        ({**CLOUDWATCH, "business": {**COUNT, "statistic": "Average"}}, "needs the statistic Sum"),
        ({**DATADOG, "errors": "avg:http.errors{*}"}, "pattern"),
        ({**DATADOG, "site": "https://app.datadoghq.eu"}, "pattern"),
    ],
)
def test_what_cannot_be_right_is_refused(metrics: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        entry(metrics)
    assert said in str(caught.value)


class Silence:
    """Implements the one call of ``bot.clouds.outside.Aws`` that is made: there is no data."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.asked_at: list[datetime] = []

    async def pages(self, *_: Any, **__: Any) -> tuple[dict[str, Any], ...]:
        self.asked_at.append(self._clock.now())
        return ()

    async def call(self, *_: Any, **arguments: Any) -> dict[str, Any]:
        return {"Metrics": [{"Dimensions": arguments["Dimensions"]}]}


def provider(clock: VirtualClock, aws: Silence) -> MetricsByProvider:
    return MetricsByProvider(
        Access(
            http=HttpClient(),
            aws=cast("Aws", aws),
            cluster=NoCluster(),
            store=cast("Store", None),
            secrets=EnvironmentSecrets(),
            clock=clock,
        )
    )


async def test_a_source_that_learns_late_is_waited_for() -> None:
    clock = VirtualClock(NOON)
    aws = Silence(clock)
    metrics = provider(clock, aws)
    start = NOON - timedelta(minutes=5)
    await metrics.series("checkout", entry(CLOUDWATCH), start=start, end=NOON, seconds=60)
    assert set(aws.asked_at) == {NOON + timedelta(minutes=2)}
    await metrics.series("checkout", entry(CLOUDWATCH), start=start, end=NOON, seconds=60)
    assert clock.now() == NOON + timedelta(minutes=2)


async def test_a_service_that_nothing_measures_is_refused_and_the_remedy_named() -> None:
    clock = VirtualClock(NOON)
    unmeasured = ServiceEntry.model_validate({"rollback": [TARGET]})
    with pytest.raises(PermanentError, match=r"services\.checkout\.metrics"):
        await provider(clock, Silence(clock)).series(
            "checkout", unmeasured, start=NOON, end=NOON, seconds=60
        )


@pytest.mark.parametrize("answer", [[], {"result": [1]}, {"result": [{"values": [["x", "y"]]}]}, 7])
@pytest.mark.parametrize("kind", ["prometheus", "datadog"])
async def test_an_answer_that_no_documentation_knows_is_an_error_and_no_figure(
    kind: str, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DD_API_KEY", "DD_APP_KEY"):
        monkeypatch.setenv(name, "k3y")

    async def odd(_: web.Request) -> web.Response:
        return web.json_response({"status": "success", "data": answer, "series": answer})

    async def odd_series(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "series": [answer]})

    app = web.Application()
    app.router.add_get("/{path:.*}", odd if kind == "prometheus" else odd_series)
    async with TestServer(app) as server:
        described = PROMETHEUS if kind == "prometheus" else DATADOG
        asked = entry({**described, "url": str(server.make_url("/"))})
        clock = VirtualClock(NOON)
        with pytest.raises(PermanentError, match=r"rollback\.yml"):
            await provider(clock, Silence(clock)).series(
                "checkout", asked, start=NOON - timedelta(minutes=5), end=NOON, seconds=60
            )
