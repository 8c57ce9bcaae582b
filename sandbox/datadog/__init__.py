"""A stand-in for Datadog's metrics API, written from its public reference.

https://docs.datadoghq.com/api/latest/metrics/: submit metrics (v2), query timeseries points (v1),
list tags by metric name (v2); https://docs.datadoghq.com/api/latest/rate-limits/.
"""

from sandbox.datadog.server import DatadogServer

__all__ = ["DatadogServer"]
