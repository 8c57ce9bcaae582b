"""Where a service's request counts come from: one file a monitoring system."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bot.catalog.types import Duration
from bot.core.registry import Registry
from bot.core.values import Value

METRICS: Registry[Any] = Registry("metrics", "provider of metrics")
"""Each is a ``bot.metrics.port.MetricsProvider``."""


# What all ways to measure a service have in common in the catalog.


class ServicePods(Value):
    """Where a service's pods are, of every release, and what they count."""

    namespace: str
    selector: str
    port: int
    """Port on which each of them answers."""
    path: str
    """Path of the counters."""
    requests: str
    """Name of the counter of requests."""
    where: dict[str, str]
    """Labels of the requests that count."""


class MetricsSettings(Value):
    """How one service is measured; ``provider`` tells where."""

    provider: str

    @property
    def late_by(self) -> timedelta:
        """How old the newest complete figures are."""
        return timedelta(0)

    @property
    def recorded_every(self) -> timedelta | None:
        """How often the bot takes readings itself; None where the provider keeps its own."""
        return None

    @property
    def pods(self) -> ServicePods | None:
        """The pods that are asked, in the bot's cluster; None where a system outside it is."""
        return None


class Hosted(MetricsSettings):
    """A system that learns of a request some time after it."""

    delay: Duration | None = None
    """So long after a moment its figures are complete; asked earlier, the bot waits."""

    @property
    def late_by(self) -> timedelta:
        """How old the newest complete figures are."""
        return self.delay or timedelta(0)
