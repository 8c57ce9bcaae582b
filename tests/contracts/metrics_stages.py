"""The providers of metrics, each with a system behind it that tells a story."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, cast

import aiohttp
import boto3
import moto.settings
import pytest
from prometheus_client import CollectorRegistry, Counter

from bot.catalog.service import ServiceEntry
from bot.clouds.aws import BotoAws
from bot.clouds.commands import EnvironmentSecrets
from bot.clouds.http import HttpClient
from bot.clouds.kubernetes.objects import Cluster
from bot.core.clock import Clock, SystemClock
from bot.core.errors import ForbiddenError, TemporaryError
from bot.metrics.cloudwatch import CloudWatchQuery
from bot.metrics.port import Access, Metrics, MetricsByProvider
from bot.store.store import Store
from sandbox.datadog.server import DatadogServer
from tests.contracts.metrics_prometheus import SCRAPED_EVERY, USER, PrometheusServer
from tests.contracts.metrics_story import (
    BEFORE,
    ORDERS,
    RELEASE,
    SECONDS,
    SERVICE,
    START,
    Minute,
    Story,
    entry_of,
)
from tests.metrics.scraped_pods import Pod, Pods, VirtualClock

REGION = "eu-west-3"  # moto keeps one account for the whole process
BALANCER = "app/shop/50dc6c495c0c9188"
_ARN = f"arn:aws:elasticloadbalancing:{REGION}:123456789012:loadbalancer/{BALANCER}"
NOBODY = "http://127.0.0.1:1"
_NUMBERS = itertools.count(1)


def metrics_over(
    *, store: Store | None = None, pods: Pods | None = None, clock: Clock | None = None
) -> MetricsByProvider:
    """The port as the bot puts it together."""
    return MetricsByProvider(
        Access(
            http=HttpClient(),
            aws=BotoAws(),
            cluster=cast("Cluster", pods),
            store=cast("Store", store),
            secrets=EnvironmentSecrets(),
            clock=clock or SystemClock(),
        )
    )


_PODS = {
    "rollback": [{"strategy": "rolling", "namespace": "shop", "deployment": "checkout"}],
    "metrics": {
        "namespace": "shop",
        "selector": "app=checkout",
        "port": 8080,
        "business": "orders_total",
    },
}


class PodStage:
    """Pods that are read every 15 seconds."""

    def __init__(self, store: Store) -> None:
        self._clock = VirtualClock(START - timedelta(minutes=BEFORE))
        born = self._clock.now() - timedelta(hours=1)
        self._pod = Pod("a", born=born, image=f"registry.example/checkout:{RELEASE}")
        self._pods = Pods(self._pod)
        self._recording = metrics_over(store=store, pods=self._pods, clock=self._clock)
        self.metrics: Metrics = self._recording

    async def tell(self, story: Story) -> ServiceEntry:
        entry = ServiceEntry.model_validate(_PODS)
        await self._recording.record(SERVICE, entry)
        minutes = [minute for _, minute in story.every_minute()]
        for number, (minute, following) in enumerate(
            zip(minutes, (*minutes[1:], None), strict=True)
        ):
            if number == BEFORE + (story.restart_after or -1000):
                self._pod.restart(self._clock.now() + timedelta(seconds=1))
            requests, errors = minute or (1000, 500)
            for quarter in range(1, 5):
                self._pod.serve((requests - errors) // 4, errors // 4)
                self._pod.orders.inc(ORDERS / 4 if requests else 0)
                await self._clock.sleep(SCRAPED_EVERY)
                # The reading at the end of a minute is the first one of the next.
                if minute is not None or (quarter == 4 and following is not None):
                    await self._recording.record(SERVICE, entry)
        return entry

    def misnamed(self, entry: ServiceEntry, *, requests: bool) -> ServiceEntry:
        self._pod.registry = CollectorRegistry()
        if not requests:
            counter = Counter("http_requests", "Requests", ["status"], registry=self._pod.registry)
            counter.labels("200").inc(1000)
        return entry

    def shut_out(self, entry: ServiceEntry) -> ServiceEntry:
        self._pods.outage = ForbiddenError("The bot may not list pods.", "Grant it.")
        return entry

    def unreachable(self, entry: ServiceEntry) -> ServiceEntry:
        self._pods.outage = TemporaryError("The API server does not answer.")
        return entry


class PrometheusStage:
    """A real server with the story in its blocks."""

    def __init__(self, server: PrometheusServer) -> None:
        self._server = server
        self.metrics: Metrics = metrics_over()

    async def tell(self, story: Story) -> ServiceEntry:
        return entry_of(self.described(job=story.name))

    def described(self, *, job: str) -> dict[str, Any]:
        return {
            "provider": "prometheus",
            "url": self._server.url,
            "username": USER,
            "password": "PROMETHEUS_PASSWORD",
            "labels": {"job": job},
            "business": "orders_total",
            "release_label": "version",
        }

    def misnamed(self, entry: ServiceEntry, *, requests: bool) -> ServiceEntry:
        return changed(entry, {"requests": "hits_total"} if requests else {"error_label": "status"})

    def shut_out(self, entry: ServiceEntry) -> ServiceEntry:
        return changed(entry, {"password": "WRONG_PASSWORD"})

    def unreachable(self, entry: ServiceEntry) -> ServiceEntry:
        return changed(entry, {"url": NOBODY})


@cache
def _clients(endpoint: str) -> tuple[Any, Metrics]:
    """Of the one who writes, and of the bot; making them takes longer than calling them."""
    client = boto3.client("cloudwatch", region_name=REGION, endpoint_url=endpoint)
    return client, metrics_over()


class CloudWatchStage:
    """A load balancer's metrics in moto."""

    def __init__(self, endpoint: str, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self._client, self.metrics = _clients(endpoint)

    async def tell(self, story: Story) -> ServiceEntry:
        balancer = f"app/{story.name}/{next(_NUMBERS):016x}"
        place = [{"Name": "LoadBalancer", "Value": balancer}]
        data: list[dict[str, Any]] = []
        for at, minute in story.every_minute():
            if minute is None or not minute[0]:
                # The balancer writes nothing while no requests flow through it.
                continue
            requests, errors = minute
            data.append(_datum("RequestCount", place, at, [1.0], [requests]))
            data.append(_datum("TargetResponseTime", place, at, [SECONDS], [requests // 20]))
            data.append(_datum("OrdersPlaced", [], at, [float(ORDERS)], [1]))
            # Half of the errors are the targets' own, half the balancer's.
            if errors:
                names = ("HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count")
                data += [_datum(name, place, at, [errors / 2], [1]) for name in names]
        orders = [datum for datum in data if not datum["Dimensions"]]
        own = [datum for datum in data if datum["Dimensions"]]
        shop = balancer.replace("app/", "Shop/")
        self._client.put_metric_data(Namespace="AWS/ApplicationELB", MetricData=own)
        self._client.put_metric_data(Namespace=shop, MetricData=orders)
        return entry_of(
            {
                "provider": "cloudwatch",
                "region": REGION,
                "load_balancer": _ARN.replace(BALANCER, balancer),
                "business": {"namespace": shop, "metric": "OrdersPlaced"},
            }
        )

    def misnamed(self, entry: ServiceEntry, *, requests: bool) -> ServiceEntry:
        where = {"LoadBalancer": str(_balancer(entry)).split(":loadbalancer/")[1]}
        right = CloudWatchQuery(
            namespace="AWS/ApplicationELB", metric="RequestCount", dimensions=where
        )
        wrong = right.model_copy(update={"metric": "RequestsCounted"})
        pair = (wrong, right) if requests else (right, wrong)
        counts = {"requests": pair[:1], "errors": pair[1:], "load_balancer": None}
        return changed(entry, counts)

    def shut_out(self, entry: ServiceEntry) -> ServiceEntry:
        # From now on moto looks at the credentials, which are nobody's.
        self._patch.setattr(moto.settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)
        return entry

    def unreachable(self, entry: ServiceEntry) -> ServiceEntry:
        self._patch.setenv("AWS_ENDPOINT_URL", NOBODY)
        self.metrics = metrics_over()
        return entry


def _balancer(entry: ServiceEntry) -> Any:
    return getattr(entry.metrics, "load_balancer", None)


def _datum(
    name: str,
    dimensions: Sequence[dict[str, str]],
    at: datetime,
    values: list[float],
    counts: list[float],
) -> dict[str, Any]:
    return {
        "MetricName": name,
        "Dimensions": list(dimensions),
        "Timestamp": at,
        "Values": values,
        "Counts": counts,
    }


class DatadogStage:
    """The stand-in for Datadog, which is told as an agent would tell it."""

    def __init__(self, server: DatadogServer) -> None:
        self._server = server
        self.metrics: Metrics = metrics_over()

    async def tell(self, story: Story) -> ServiceEntry:
        tags = [f"service:{story.name}", f"version:{RELEASE}"]
        series = [
            submission
            for at, minute in story.every_minute()
            if minute is not None
            for submission in _submissions(at, minute, tags)
        ]
        async with aiohttp.ClientSession() as session:
            await session.post(
                f"{self._server.url}/api/v2/series",
                json={"series": series},
                headers={"DD-API-KEY": self._server.api_key},
            )
        scope = f"{{service:{story.name}}}"
        failed = f"{{service:{story.name},status_class:5xx}}"
        return entry_of(
            {
                "provider": "datadog",
                "url": self._server.url,
                "requests": f"sum:http.requests{scope}",
                "errors": f"sum:http.requests{failed}",
                "latency": f"avg:http.duration{scope}",
                "p95": f"p95:http.duration{scope}",
                "p99": f"p99:http.duration{scope}",
                "saturation": f"max:process.open_files_pct{scope}",
                "saturation_scale": 0.01,
                "business": f"sum:orders{scope}",
                "release_tag": "version",
            }
        )

    def misnamed(self, entry: ServiceEntry, *, requests: bool) -> ServiceEntry:
        if requests:
            return changed(entry, {"requests": "sum:http.hits{service:healthy}"})
        return changed(entry, {"errors": "sum:http.requests{service:healthy,status:5xx}"})

    def shut_out(self, entry: ServiceEntry) -> ServiceEntry:
        return changed(entry, {"api_key": "WRONG_PASSWORD"})

    def unreachable(self, entry: ServiceEntry) -> ServiceEntry:
        return changed(entry, {"url": NOBODY})


def _submissions(at: datetime, minute: Minute, tags: list[str]) -> list[dict[str, Any]]:
    requests, errors = minute or (0, 0)
    moment = int(at.timestamp()) + 10

    def one(metric: str, value: float, *more: str) -> dict[str, Any]:
        return {
            "metric": metric,
            "type": 1,
            "points": [{"timestamp": moment, "value": value}],
            "tags": [*tags, *more],
        }

    counts = [one("http.requests", requests - errors, "status_class:2xx")]
    if errors:
        counts.append(one("http.requests", errors, "status_class:5xx"))
    if requests:
        counts += [one("http.duration", SECONDS), one("orders", ORDERS)]
    return [*counts, one("process.open_files_pct", 25)]


def changed(entry: ServiceEntry, changes: dict[str, Any]) -> ServiceEntry:
    """The entry with its metrics described a little differently."""
    assert entry.metrics is not None
    described = entry.metrics.model_dump(mode="json", exclude_defaults=True)
    written = {
        key: [v.model_dump() for v in value] if isinstance(value, tuple) else value
        for key, value in changes.items()
    }
    return entry_of({**described, "provider": entry.metrics.provider, **written})


def basic(user: str, password: str) -> str:
    """What must stand in no error."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()
