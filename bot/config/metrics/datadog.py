"""Metrics out of Datadog."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from bot.config.addresses import ServerUrl
from bot.config.durations import Duration
from bot.config.metrics.hosted import Hosted
from bot.config.secrets import SecretName

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
    """Name of the environment variable with the API key."""
    application_key: SecretName = "DD_APP_KEY"
    """With the scopes timeseries_query and metrics_read."""
    requests: CountQuery
    """Query that counts requests."""
    errors: CountQuery
    """Query that counts failed requests."""
    latency: FigureQuery | None = None
    """Query of the mean response time."""
    p95: FigureQuery | None = None
    """Query of its 95th percentile."""
    p99: FigureQuery | None = None
    """Query of its 99th percentile."""
    latency_unit: Literal["s", "ms"] = "s"
    """Of the three above; Datadog's traces are in seconds."""
    saturation: FigureQuery | None = None
    """Query of how full the service is, as a share."""
    saturation_scale: float = Field(default=1.0, gt=0)
    """The figure is multiplied by it: 0.01 for per cent."""
    business: CountQuery | None = None
    """What the service is there for, as a count: orders, sign-ups, payments."""
    release_tag: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_./-]*$")
    """Tag of the request metric that names the release, usually ``version``."""
    delay: Duration | None = timedelta(minutes=1)
