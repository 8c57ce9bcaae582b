"""Counters out of a page in the Prometheus text format."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from pydantic import Field

from bot.config.metrics.exported import PodMetrics
from bot.domain.values import Value
from bot.errors import PermanentError


class CounterMissingError(PermanentError):
    """The page does not tell requests, or not which of them failed."""


class Counters(Value):
    """The counters of one instance, summed over their series."""

    requests: float
    errors: float
    duration_sum: float
    """Seconds."""
    duration_count: float
    duration_buckets: dict[str, float] = Field(default_factory=dict)
    """Upper bound in seconds, as exported → requests that took no longer."""
    business: float | None = None
    """None where the page does not know the counter."""
    saturation: float | None = None
    """None where the page does not know the gauges, or the limit is zero."""


def read_counters(text: str, metrics: PodMetrics) -> Counters:
    """The configured counters of a metrics page.

    A counter that is declared but has no series yet is zero: client libraries create the series
    of a labelled counter with its first increment. Everything but the requests is optional.
    Raises CounterMissingError when the page does not know the counter of requests, or none of its
    series has the label that tells errors; PermanentError when it is not in the text format or a
    counter is no count.
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
    if requests and not any(s.labels.get(metrics.error_label) for s in requests):
        raise CounterMissingError(
            f"“{metrics.requests}” has no label “{metrics.error_label}”, so errors cannot be told",
            "Check metrics.error_label in the catalog.",
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
        duration_buckets=_buckets(s for s in durations if s.name == f"{metrics.duration}_bucket"),
        business=_business(families, metrics.business),
        saturation=_saturation(families, metrics.saturation),
    )


def _buckets(samples: Iterable[Sample]) -> dict[str, float]:
    """The histogram's buckets, over all its series."""
    found: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        found[sample.labels.get("le", "")].append(sample)
    return {bound: _total(group) for bound, group in found.items() if bound}


def _business(families: Sequence[Metric], name: str | None) -> float | None:
    if name is None or not any(_is_counter(family, name) for family in families):
        return None
    return _total(s for f in families if _is_counter(f, name) for s in f.samples)


def _saturation(families: Sequence[Metric], share: str) -> float | None:
    """A gauge, or one over another; the fullest of several series."""
    used, _, limit = (name.strip() for name in share.partition("/"))
    values = [s.value for f in families for s in f.samples if s.name == used]
    if limit:
        limits = [s.value for f in families for s in f.samples if s.name == limit]
        values = [value / least for value in values if (least := min(limits, default=0)) > 0]
    known = [value for value in values if math.isfinite(value) and value >= 0]
    return max(known, default=None)


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
