"""The metrics that one pod exposes, in a registry of its own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class PodMetrics:
    """Counts business requests by code, method and path, and how long they took."""

    def __init__(self, *, service: str, version: str) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "http_requests",
            "Business requests served.",
            ("code", "method", "path"),
            registry=self._registry,
        )
        self._duration = Histogram(
            "http_request_duration_seconds",
            "Duration of business requests.",
            ("method", "path"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        build = Gauge(
            "app_build_info", "The running build.", ("service", "version"), registry=self._registry
        )
        build.labels(service=service, version=version).set(1)

    def observe(self, *, code: int, method: str, path: str, seconds: float) -> None:
        self._requests.labels(code=str(code), method=method, path=path).inc()
        self._duration.labels(method=method, path=path).observe(seconds)

    def render(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self._registry)
