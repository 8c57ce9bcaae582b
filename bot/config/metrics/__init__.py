"""Where a service's request counts come from: one file a monitoring system."""

from __future__ import annotations

from typing import Any

from bot.config.metrics.hosted import MetricsSettings
from bot.registry import Registry

__all__ = ["METRICS", "MetricsSettings"]

METRICS: Registry[Any] = Registry("metrics", "provider of metrics")
"""Each is a ``bot.ports.metrics.MetricsProvider``."""
