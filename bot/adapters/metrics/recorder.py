"""Reads the counters of every pod of a service, and keeps the readings."""

from __future__ import annotations

import asyncio
from datetime import datetime

import structlog

from bot.adapters.metrics.exposition import CounterMissingError, read_counters
from bot.adapters.store import Store
from bot.config.metrics.exported import PodMetrics
from bot.domain.releases import release_of
from bot.errors import PermanentError, RollbackBotError, TemporaryError
from bot.ports.clock import Clock
from bot.ports.cluster import PODS, Cluster, Manifest
from bot.ports.metrics import Measured
from bot.ports.store import ScrapePoint

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
        pods = await self._cluster.list(PODS, metrics.namespace, labels=metrics.selector)
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
