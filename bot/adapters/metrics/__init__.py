"""Where request counts come from: the providers of the ``Metrics`` port."""

from bot.adapters.metrics.providers import MetricsByProvider
from bot.adapters.metrics.recorder import PodRecorder
from bot.adapters.metrics.source import PodMetricsSource

__all__ = ["MetricsByProvider", "PodMetricsSource", "PodRecorder"]
