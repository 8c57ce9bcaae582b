"""Pods that count, and the part of a cluster that metrics need."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from bot.clouds.kubernetes.objects import Kind, Manifest, PodAnswer

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class VirtualClock:
    """Time that moves when told."""

    def __init__(self, time: datetime = NOON) -> None:
        self.time = time

    def now(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Pod:
    """A replica that counts with the official client library."""

    def __init__(self, name: str, *, born: datetime, image: str, version: str = "") -> None:
        self.name = name
        self.uid = f"uid-{name}"
        self.image = image
        self.version = version
        self.failure: Exception | None = None
        self.status = 200
        self.restart(born)

    def restart(self, born: datetime) -> None:
        self.born = born
        self.registry = CollectorRegistry()
        self.requests = Counter("http_requests", "Requests", ["code"], registry=self.registry)
        self.seconds = Histogram("http_request_duration_seconds", "s", registry=self.registry)
        self.orders = Counter("orders", "Orders", registry=self.registry)
        for name, value in (("process_open_fds", 256), ("process_max_fds", 1024)):
            Gauge(name, name, registry=self.registry).set(value)

    def serve(self, good: int, bad: int = 0) -> None:
        self.requests.labels("200").inc(good)
        if bad:
            self.requests.labels("500").inc(bad)
        for _ in range(good + bad):
            self.seconds.observe(0.2)

    @property
    def manifest(self) -> Manifest:
        labels = {"app": "checkout"}
        if self.version:
            labels["app.kubernetes.io/version"] = self.version
        started = self.born.strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "metadata": {"name": self.name, "uid": self.uid, "labels": labels},
            "spec": {
                "containers": [
                    {"name": "setup", "image": self.image},
                    {"name": "app", "image": self.image, "ports": [{"containerPort": 8080}]},
                ]
            },
            "status": {
                "phase": "Running",
                "containerStatuses": [
                    {"name": "setup", "state": {"running": {"startedAt": "2020-01-01T00:00:00Z"}}},
                    {"name": "app", "state": {"running": {"startedAt": started}}},
                ],
            },
        }


class Pods:
    """The part of a cluster that metrics need."""

    def __init__(self, *pods: Pod) -> None:
        self.pods = {pod.name: pod for pod in pods}
        self.rounds = 0
        self.outage: Exception | None = None

    async def list(
        self, kind: Kind, namespace: str, *, labels: str = "", fields: str = ""
    ) -> tuple[Manifest, ...]:
        assert (kind.plural, namespace, labels) == ("pods", "shop", "app=checkout")
        self.rounds += 1
        if self.outage:
            raise self.outage
        return tuple(pod.manifest for pod in self.pods.values())

    async def ask_pod(self, namespace: str, pod: str, port: int, path: str) -> PodAnswer:
        assert (namespace, port, path) == ("shop", 8080, "/metrics")
        await asyncio.sleep(0)
        asked = self.pods[pod]
        if asked.failure:
            raise asked.failure
        return PodAnswer(status=asked.status, text=generate_latest(asked.registry).decode())
