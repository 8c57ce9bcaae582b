"""Reads the counters of every pod of a service, and keeps the readings."""

from __future__ import annotations

import asyncio
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

import structlog
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from pydantic import Field

from bot.catalog.metrics import MetricsSettings, ServicePods
from bot.catalog.types import Duration, Namespace, UrlPath
from bot.clouds.kubernetes.objects import PODS as PODS_
from bot.clouds.kubernetes.objects import Cluster, Manifest
from bot.clouds.kubernetes.workloads import release_of
from bot.core.clock import Clock
from bot.core.errors import PermanentError, RollbackBotError, TemporaryError
from bot.core.findings import Finding, passed, warned
from bot.core.values import Value, amount
from bot.judge.series import count
from bot.metrics.hosted import Exported
from bot.metrics.port import Checkup, Measured, MetricsProvider, MetricsSource, Series
from bot.store.store import Store
from bot.store.values import ScrapePoint


class PodMetrics(Exported, MetricsSettings):
    """Counters that the service's own pods export, read through the Kubernetes API."""

    provider: Literal["pods"] = "pods"
    namespace: Namespace
    selector: str = Field(min_length=1)
    """Label selector of all pods of the service, of every release."""
    port: int = Field(ge=1, le=65535)
    """Port on which each pod serves its metrics."""
    path: UrlPath = "/metrics"
    """Path of the metrics."""
    every: Duration = timedelta(seconds=15)
    """Time between two readings."""

    @property
    def recorded_every(self) -> timedelta:
        """Their counters say nothing of the past."""
        return self.every

    @property
    def pods(self) -> ServicePods:
        """Those that are read."""
        return ServicePods(
            namespace=self.namespace,
            selector=self.selector,
            port=self.port,
            path=self.path,
            requests=self.requests,
            where=self.where,
        )


# Counters out of a page in the Prometheus text format.


class CounterMissingError(PermanentError):
    """The page does not tell requests, or not which of them failed."""


class Counters(Value):
    """The counters of one instance, summed over their series."""

    requests: float
    errors: float
    duration_sum: float
    """Seconds."""
    duration_count: float
    duration_buckets: dict[str, float] = Field(default_factory=dict)
    """Upper bound in seconds, as exported → requests that took no longer."""
    business: float | None = None
    """None where the page does not know the counter."""
    saturation: float | None = None
    """None where the page does not know the gauges, or the limit is zero."""


def read_counters(text: str, metrics: PodMetrics) -> Counters:
    """The configured counters of a metrics page.

    A counter that is declared but has no series yet is zero: client libraries create the series
    of a labelled counter with its first increment. Everything but the requests is optional.
    Raises CounterMissingError when the page does not know the counter of requests, or none of its
    series has the label that tells errors; PermanentError when it is not in the text format or a
    counter is no count.
    """
    try:
        families = list(text_string_to_metric_families(text))
    except ValueError as error:
        raise PermanentError(
            f"the answer is not in the Prometheus text format ({error})",
            "Check metrics.port and metrics.path in the catalog.",
        ) from error
    if not any(_is_counter(family, metrics.requests) for family in families):
        raise CounterMissingError(
            f"there is no counter “{metrics.requests}”", "Check metrics.requests in the catalog."
        )
    requests = _matching(
        (s for f in families if _is_counter(f, metrics.requests) for s in f.samples), metrics
    )
    if requests and not any(s.labels.get(metrics.error_label) for s in requests):
        raise CounterMissingError(
            f"“{metrics.requests}” has no label “{metrics.error_label}”, so errors cannot be told",
            "Check metrics.error_label in the catalog.",
        )
    durations = _matching((s for f in families for s in f.samples), metrics)
    failed = re.compile(metrics.error_pattern)
    return Counters(
        requests=_total(requests),
        errors=_total(
            s for s in requests if failed.fullmatch(s.labels.get(metrics.error_label, ""))
        ),
        duration_sum=_total(s for s in durations if s.name == f"{metrics.duration}_sum"),
        duration_count=_total(s for s in durations if s.name == f"{metrics.duration}_count"),
        duration_buckets=_buckets(s for s in durations if s.name == f"{metrics.duration}_bucket"),
        business=_business(families, metrics.business),
        saturation=_saturation(families, metrics.saturation),
    )


def _buckets(samples: Iterable[Sample]) -> dict[str, float]:
    """The histogram's buckets, over all its series."""
    found: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        found[sample.labels.get("le", "")].append(sample)
    return {bound: _total(group) for bound, group in found.items() if bound}


def _business(families: Sequence[Metric], name: str | None) -> float | None:
    if name is None or not any(_is_counter(family, name) for family in families):
        return None
    return _total(s for f in families if _is_counter(f, name) for s in f.samples)


def _saturation(families: Sequence[Metric], share: str) -> float | None:
    """A gauge, or one over another; the fullest of several series."""
    used, _, limit = (name.strip() for name in share.partition("/"))
    values = [s.value for f in families for s in f.samples if s.name == used]
    if limit:
        limits = [s.value for f in families for s in f.samples if s.name == limit]
        values = [value / least for value in values if (least := min(limits, default=0)) > 0]
    known = [value for value in values if math.isfinite(value) and value >= 0]
    return max(known, default=None)


def _is_counter(family: Metric, name: str) -> bool:
    """Whether the family is the counter of this name.

    The parser takes ``_total`` off the name of a declared counter, and puts it on the names of
    its series even where the page has none; an undeclared series stays as it is.
    """
    if family.type == "counter":
        return family.name == name.removesuffix("_total")
    return family.name == name


def _matching(samples: Iterable[Sample], metrics: PodMetrics) -> list[Sample]:
    return [sample for sample in samples if metrics.where.items() <= sample.labels.items()]


def _total(samples: Iterable[Sample]) -> float:
    total = math.fsum(sample.value for sample in samples)
    if not math.isfinite(total) or total < 0:
        raise PermanentError(f"a counter has the value {total}", "Check the exporter.")
    return total


_AT_ONCE = 16
"""So many pods are asked at the same time: the API server's proxy is everybody's."""

log = structlog.get_logger(__name__)


class PodRecorder:
    """Scrapes the pods that a service's catalog entry selects."""

    def __init__(self, cluster: Cluster, store: Store, clock: Clock) -> None:
        self._cluster = cluster
        self._store = store
        self._clock = clock
        self._running: dict[str, asyncio.Task[tuple[ScrapePoint, ...]]] = {}

    async def collect(self, service: Measured[PodMetrics]) -> tuple[ScrapePoint, ...]:
        """Read every running pod of a service once and keep what was read.

        A pod that cannot be read is logged and left out. Calls at the same time share one round.
        Raises PermanentError when pods answered and none knows the counter, and the cluster's
        errors when pods cannot be listed.
        """
        name = service.name
        task = self._running.get(name)
        if task is None:
            task = asyncio.create_task(self._collect(service), name=f"scrape {name}")
            self._running[name] = task
            task.add_done_callback(lambda _: self._running.pop(name, None))
        # A caller that gives up must not take the readings from the others.
        return await asyncio.shield(task)

    async def refresh(self, service: Measured[PodMetrics], *, end: datetime) -> None:
        """Make sure that the readings reach up to ``end``, when that is about now.

        Raises like :meth:`collect`.
        """
        if self._clock.now() - end < service.settings.every:
            await self.collect(service)

    async def _collect(self, service: Measured[PodMetrics]) -> tuple[ScrapePoint, ...]:
        metrics = service.settings
        pods = await self._cluster.list(PODS_, metrics.namespace, labels=metrics.selector)
        running = [pod for pod in pods if pod.get("status", {}).get("phase") == "Running"]
        gate = asyncio.Semaphore(_AT_ONCE)
        results = await asyncio.gather(*(self._read_or_log(service, pod, gate) for pod in running))
        points = tuple(point for point in results if isinstance(point, ScrapePoint))
        if points:
            await self._store.add_scrapes(points)
        missing = [result for result in results if isinstance(result, CounterMissingError)]
        if missing and not points:
            raise PermanentError(
                f"No pod of {service.name} can be counted: {missing[0].what}.", missing[0].remedy
            )
        return points

    async def _read_or_log(
        self, service: Measured[PodMetrics], pod: Manifest, gate: asyncio.Semaphore
    ) -> ScrapePoint | RollbackBotError:
        """One pod's reading, or why there is none: a sick pod must not blind us to the others."""
        try:
            async with gate:
                return await self._read(service, pod)
        except RollbackBotError as error:
            log.warning(
                "pod_not_read",
                service=service.name,
                pod=pod["metadata"]["name"],
                problem=str(error),
            )
            return error

    async def _read(self, service: Measured[PodMetrics], pod: Manifest) -> ScrapePoint:
        metrics = service.settings
        container = _container(pod, metrics.port)
        born_at = _born_at(pod, container)
        pod_name = pod["metadata"]["name"]
        answer = await self._cluster.ask_pod(
            metrics.namespace, pod_name, metrics.port, metrics.path
        )
        at = self._clock.now()
        if answer.status != 200:
            raise TemporaryError(f"{metrics.path} answered with status {answer.status}.")
        counters = read_counters(answer.text, metrics)
        return ScrapePoint(
            service=service.name,
            at=at,
            instance=pod["metadata"]["uid"],
            release=release_of(pod, service.version_label),
            born_at=born_at,
            **counters.model_dump(),
        )


def _container(pod: Manifest, port: int) -> Manifest:
    """The container that exports the metrics: the one that declares the port, else the first."""
    containers: list[Manifest] = pod["spec"]["containers"]
    for container in containers:
        if any(p.get("containerPort") == port for p in container.get("ports", ())):
            return container
    return containers[0]


def _born_at(pod: Manifest, container: Manifest) -> datetime:
    """When the container began to run: its counters were zero then."""
    for status in pod.get("status", {}).get("containerStatuses", ()):
        started = status.get("state", {}).get("running", {}).get("startedAt")
        if status["name"] == container["name"] and started:
            return datetime.fromisoformat(started)
    raise TemporaryError(f"Container {container['name']} does not run.")


# The embedded metrics provider: no monitoring system needed.

_BELIEVED_ROUNDS = 3
"""Up to two lost readings in a row are bridged; a longer gap counts nothing."""
_ALWAYS_BELIEVED = timedelta(seconds=2)
"""Where readings are very frequent, a busy moment of this machine is no gap."""


_LOOK_BACK = timedelta(minutes=1)


class PodMetricsSource(MetricsSource[PodMetrics]):
    """Counts what a :class:`PodRecorder` keeps."""

    def __init__(self, store: Store, recorder: PodRecorder) -> None:
        self._store = store
        self._recorder = recorder

    async def series(
        self, service: Measured[PodMetrics], *, start: datetime, end: datetime, seconds: float
    ) -> Series:
        """Counts of the pods' own counters; pods are read anew when ``end`` is about now.

        Raises PermanentError when no pod knows the counter, TemporaryError when the cluster does
        not answer.
        """
        metrics = service.settings
        await self._recorder.refresh(service, end=end)
        longest = max(metrics.every * _BELIEVED_ROUNDS, _ALWAYS_BELIEVED)
        # What happened until the end is told by the first reading after it.
        readings = await self._store.scrapes(service.name, start=start, end=end + longest)
        counts = count(readings, start=start, end=end, seconds=seconds, longest=longest)
        problems: tuple[str, ...] = ()
        if metrics.business and counts.business_per_minute is None:
            problems = (f"The business metric: no pod exported “{metrics.business}” in that time.",)
        return Series(**dict(counts), problems=problems)

    async def record(self, service: Measured[PodMetrics]) -> None:
        """One round of readings."""
        await self._recorder.collect(service)


class _Pods(MetricsProvider):
    async def check(self, at: Checkup) -> list[Finding]:
        """Read them now."""
        now = at.clock.now()
        series = await at.metrics.series(
            at.name, at.entry, start=now - _LOOK_BACK, end=now, seconds=10
        )
        read = await at.store.scrapes(at.name, start=now, end=at.clock.now())
        if not read:
            nothing = "No pod could be read just now."
            return [warned(at.subject, nothing, "Check selector, port and path.")]
        if series.problems:
            said = " ".join(series.problems)
            return [warned(at.subject, said, f"Compare with {self.page}.")]
        releases = ", ".join(sorted({point.release for point in read}))
        pods = len({point.instance for point in read})
        return [passed(at.subject, f"Counters of {amount(pods, 'pod')} were read ({releases}).")]


PODS = _Pods(
    name="pods",
    settings=PodMetrics,
    title="the service's own pods",
    page="docs/metrics.md#pods",
    source=lambda access: PodMetricsSource(
        access.store, PodRecorder(access.cluster, access.store, access.clock)
    ),
)
