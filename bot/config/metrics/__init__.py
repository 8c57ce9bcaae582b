"""Where a service's request counts come from: one file a monitoring system."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from bot.config.metrics.cloudwatch import CloudWatchMetrics, CloudWatchQuery
from bot.config.metrics.datadog import DatadogMetrics
from bot.config.metrics.exported import PodMetrics
from bot.config.metrics.prometheus import PrometheusMetrics, PromQueries
from bot.domain.values import Value

__all__ = [
    "AnyMetrics",
    "CloudWatchMetrics",
    "CloudWatchQuery",
    "DatadogMetrics",
    "MetricsSettings",
    "PodMetrics",
    "PromQueries",
    "PrometheusMetrics",
]

AnyMetrics = PodMetrics | PrometheusMetrics | CloudWatchMetrics | DatadogMetrics
PROVIDERS: tuple[str, ...] = tuple(
    name
    for kind in get_args(AnyMetrics)
    for name in get_args(kind.model_fields["provider"].annotation)
)


def _known(name: str) -> str:
    if name in PROVIDERS:
        return name
    close = difflib.get_close_matches(name.lower(), PROVIDERS, n=1, cutoff=0.5)
    said = f"; did you mean “{close[0]}”?" if close else ""
    raise ValueError(f"“{name}” is no provider of metrics: {', '.join(PROVIDERS)}{said}")


class _Provider(Value):
    """Nothing but the provider's name, so that an error stands at its line."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    provider: Annotated[str, AfterValidator(_known)] = "pods"


def _with_provider(value: Any) -> Any:
    """Pods where no provider is named, and an error at the name's own line where none fits."""
    if not isinstance(value, dict):
        return value
    return {**value, "provider": _Provider.model_validate(value).provider}


MetricsSettings = Annotated[
    Annotated[AnyMetrics, Field(discriminator="provider")], BeforeValidator(_with_provider)
]
"""How one service is measured; ``provider`` tells where, its own pods where it is left out."""
