"""What services export in the Prometheus format, and how their pods are asked for it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from bot.config.addresses import Namespace, UrlPath
from bot.config.durations import Duration
from bot.config.metrics.hosted import MetricsSettings, ServicePods
from bot.domain.values import Value

OPEN_FILES = "process_open_fds / process_max_fds"
"""A share that the client libraries of most languages export without being asked."""
_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]
MetricName = Annotated[str, StringConstraints(pattern=f"^{_NAME}$")]
LabelName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]
UsedShare = Annotated[str, StringConstraints(pattern=rf"^{_NAME}(\s*/\s*{_NAME})?$")]
"""A gauge between 0 and 1, or two gauges: ``used / limit``."""


class Exported(Value):
    """The names of a service's metrics; the defaults are the usual ones."""

    requests: MetricName = "http_requests_total"
    """Name of the counter of requests."""
    error_label: LabelName = "code"
    """Label of the counter that tells errors apart."""
    error_pattern: Pattern = "5.."
    """Regular expression: values of the label that count as errors."""
    duration: MetricName = "http_request_duration_seconds"
    """Name of the histogram of request durations, in seconds."""
    where: dict[LabelName, str] = Field(default_factory=dict)
    """Only requests with these labels count, for example to leave out health checks."""
    saturation: UsedShare = OPEN_FILES
    """How full the service's scarcest resource is; not shown where nothing exports it."""
    business: MetricName | None = None
    """Name of a counter of what the service is there for: orders, sign-ups, payments."""


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
