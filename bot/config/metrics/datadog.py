"""Metrics out of Datadog."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from bot.config.durations import Duration
from bot.config.metrics.hosted import Hosted, ServerUrl
from bot.config.targets.feature_flag import SecretName

_METRIC = r"[a-zA-Z][a-zA-Z0-9_.]*\{[^{}]+\}"
CountQuery = Annotated[str, StringConstraints(pattern=rf"^sum:{_METRIC}$")]
"""A count metric, summed: ``sum:trace.http.request.hits{service:checkout,env:prod}``."""
FigureQuery = Annotated[str, StringConstraints(pattern=rf"^(avg|max|min|sum|p\d\d):{_METRIC}$")]
"""Any metric: ``p95:trace.http.request{service:checkout,env:prod}``."""


class DatadogMetrics(Hosted):
    """Datadog's query API."""

    provider: Literal["datadog"]
    site: str = Field(default="datadoghq.com", pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")
    """As in the address of your Datadog: datadoghq.eu, us5.datadoghq.com …"""
    url: ServerUrl | None = None
    """Of the API, where it is not ``https://api.<site>``."""
    api_key: SecretName = "DD_API_KEY"
    application_key: SecretName = "DD_APP_KEY"
    """With the scopes timeseries_query and metrics_read."""
    requests: CountQuery
    errors: CountQuery
    latency: FigureQuery | None = None
    p95: FigureQuery | None = None
    p99: FigureQuery | None = None
    latency_unit: Literal["s", "ms"] = "s"
    """Of the three above; Datadog's traces are in seconds."""
    saturation: FigureQuery | None = None
    saturation_scale: float = Field(default=1.0, gt=0)
    """The figure is multiplied by it: 0.01 for per cent."""
    business: CountQuery | None = None
    """What the service is there for, as a count: orders, sign-ups, payments."""
    release_tag: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_./-]*$")
    """Tag of the request metric that names the release, usually ``version``."""
    delay: Duration | None = timedelta(minutes=1)
