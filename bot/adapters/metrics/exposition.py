"""Counters out of a page in the Prometheus text format."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from bot.config.metrics import PodMetrics
from bot.domain.values import Value
from bot.errors import PermanentError


class CounterMissingError(PermanentError):
    """The page does not know the counter of requests."""


class Counters(Value):
    """The counters of one instance, summed over their series."""

    requests: float
    errors: float
    duration_sum: float
    """Seconds."""
    duration_count: float


def read_counters(text: str, metrics: PodMetrics) -> Counters:
    """The configured counters of a metrics page.

    A counter that is declared but has no series yet is zero: client libraries create the series
    of a labelled counter with its first increment. The histogram is optional.
    Raises CounterMissingError when the page does not know the counter of requests,
    PermanentError when it is not in the text format or a counter is no count.
    """
    try:
        families = list(text_string_to_metric_families(text))
    except ValueError as error:
        raise PermanentError(
            f"the answer is not in the Prometheus text format ({error})",
            "Check metrics.port and metrics.path in the catalog.",
        ) from error
    if not any(_is_counter(family, metrics.requests) for family in families):
        raise CounterMissingError(
            f"there is no counter “{metrics.requests}”", "Check metrics.requests in the catalog."
        )
    requests = _matching(
        (s for f in families if _is_counter(f, metrics.requests) for s in f.samples), metrics
    )
    durations = _matching((s for f in families for s in f.samples), metrics)
    failed = re.compile(metrics.error_pattern)
    return Counters(
        requests=_total(requests),
        errors=_total(
            s for s in requests if failed.fullmatch(s.labels.get(metrics.error_label, ""))
        ),
        duration_sum=_total(s for s in durations if s.name == f"{metrics.duration}_sum"),
        duration_count=_total(s for s in durations if s.name == f"{metrics.duration}_count"),
    )


def _is_counter(family: Metric, name: str) -> bool:
    """Whether the family is the counter of this name.

    The parser takes ``_total`` off the name of a declared counter, and puts it on the names of
    its series even where the page has none; an undeclared series stays as it is.
    """
    if family.type == "counter":
        return family.name == name.removesuffix("_total")
    return family.name == name


def _matching(samples: Iterable[Sample], metrics: PodMetrics) -> list[Sample]:
    return [sample for sample in samples if metrics.where.items() <= sample.labels.items()]


def _total(samples: Iterable[Sample]) -> float:
    total = math.fsum(sample.value for sample in samples)
    if not math.isfinite(total) or total < 0:
        raise PermanentError(f"a counter has the value {total}", "Check the exporter.")
    return total
