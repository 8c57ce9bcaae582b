"""Metrics out of Prometheus, or of what speaks its API."""

from __future__ import annotations

from string import Template
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from bot.config.addresses import ServerUrl
from bot.config.metrics.exported import Exported, LabelName
from bot.config.metrics.hosted import Hosted
from bot.config.secrets import SecretName
from bot.domain.values import Value

_PLACES = {"labels", "window"}


def _template(text: str) -> str:
    strange = set(Template(text).get_identifiers()) - _PLACES
    if strange:
        raise ValueError(f"${min(strange)} stands for nothing; only $labels and $window are put in")
    return text


PromQL = Annotated[str, StringConstraints(min_length=1), AfterValidator(_template)]
"""A query with one value as its result; ``$labels`` and ``$window`` are put in."""


class PromQueries(Value):
    """Queries in one's own words, each in the place of the one made from the metrics' names.

    ``$window`` is the length of time that the value must be about, up to the moment of
    evaluation: an interval for counts, the whole span for the others.
    """

    requests: PromQL | None = None
    """Number of requests within ``$window``: ``increase``, never ``rate``."""
    errors: PromQL | None = None
    """Number of failed requests within ``$window``; while there is none it must answer 0."""
    latency: PromQL | None = None
    """Mean response time, milliseconds."""
    p95: PromQL | None = None
    """95 % of the requests took at most so long, milliseconds."""
    p99: PromQL | None = None
    """99 % of the requests took at most so long, milliseconds."""
    saturation: PromQL | None = None
    """Between 0 and 1."""
    business: PromQL | None = None
    """Number within ``$window``."""

    @model_validator(mode="after")
    def _requests_and_errors_together(self) -> PromQueries:
        if (self.requests is None) != (self.errors is None):
            raise ValueError("name requests and errors together: one is a part of the other")
        return self


class PrometheusMetrics(Exported, Hosted):
    """The HTTP API of Prometheus, Thanos, Mimir, VictoriaMetrics …"""

    provider: Literal["prometheus"]
    url: ServerUrl
    """Without ``/api/v1``."""
    token: SecretName | None = None
    """A bearer token."""
    username: str | None = None
    """The user's name, for basic authentication."""
    password: SecretName | None = None
    """Name of the environment variable with the password."""
    tenant: str | None = None
    """Sent as ``X-Scope-OrgID``, for servers with several tenants."""
    labels: dict[LabelName, str] = Field(default_factory=dict)
    """What selects the service's series, for example ``job: checkout``."""
    release_label: LabelName | None = None
    """Label of the request counter that names the release."""
    queries: PromQueries = PromQueries()
    """PromQL of your own in place of what is made of the names above."""

    @model_validator(mode="after")
    def _one_service_and_one_way_in(self) -> PrometheusMetrics:
        if not self.labels and self.queries.requests is None:
            raise ValueError("labels must select the service, for example {job: checkout}")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        if self.token and self.password:
            raise ValueError("name either token or username and password")
        return self
