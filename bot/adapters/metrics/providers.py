"""The ``Metrics`` port: every service is asked for at the provider that its entry names."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

import structlog

from bot.adapters.metrics.cloudwatch import CloudWatchSource
from bot.adapters.metrics.datadog import DatadogSource
from bot.adapters.metrics.prometheus import PrometheusSource
from bot.adapters.metrics.source import PodMetricsSource
from bot.config.catalog import ServiceEntry
from bot.config.metrics import (
    CloudWatchMetrics,
    DatadogMetrics,
    PodMetrics,
    PrometheusMetrics,
)
from bot.errors import PermanentError
from bot.ports.clock import Clock
from bot.ports.metrics import Series
from bot.ports.outside import Aws, Http, Secrets

log = structlog.get_logger()


class MetricsByProvider:
    """Implements ``bot.ports.world.Metrics``."""

    def __init__(
        self, pods: PodMetricsSource, *, http: Http, aws: Aws, secrets: Secrets, clock: Clock
    ) -> None:
        self._pods = pods
        self._prometheus = PrometheusSource(http, secrets)
        self._cloudwatch = CloudWatchSource(aws)
        self._datadog = DatadogSource(http, secrets)
        self._clock = clock

    async def series(
        self, name: str, service: ServiceEntry, *, start: datetime, end: datetime, seconds: float
    ) -> Series:
        """Counts and figures of a span; see the port."""
        metrics = service.metrics
        if metrics is None:
            raise PermanentError(
                f"Nothing measures {name}.", f"Add services.{name}.metrics to the catalog."
            )
        if end > start:
            # Asked too early, a source would show a lull that there never was.
            late = (end + metrics.late_by - self._clock.now()).total_seconds()
            if metrics.late_by and late > 0:
                await self._clock.sleep(late)
        match metrics:
            case PodMetrics():
                return await self._pods.series(name, service, start=start, end=end, seconds=seconds)
            case PrometheusMetrics():
                source = self._prometheus.series(metrics, start=start, end=end, seconds=seconds)
            case CloudWatchMetrics():
                source = self._cloudwatch.series(metrics, start=start, end=end, seconds=seconds)
            case DatadogMetrics():
                source = self._datadog.series(metrics, start=start, end=end, seconds=seconds)
            case _:
                assert_never(metrics)
        try:
            return await source
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            log.warning("figures not understood", service=name, exc_info=True)
            raise PermanentError(
                f"What {metrics.provider} answers about {name} is not as its API documents it.",
                "Check the address under metrics in rollback.yml; look for a proxy in between.",
            ) from error
