"""The queries that are made from the names of a service's metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import Template

from bot.config.metrics.prometheus import PrometheusMetrics

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def milliseconds(seconds: float) -> str:
    """A duration as PromQL has it; fractions of a second are only possible like this."""
    return f"{round(seconds * 1000)}ms"


def matchers(labels: Mapping[str, str], *more: str) -> str:
    """``job="checkout",code=~"5.."``."""
    return ",".join([*(f"{name}={quoted(value)}" for name, value in labels.items()), *more])


def quoted(text: str) -> str:
    """A PromQL string."""
    return f'"{text.translate(_ESCAPES)}"'


@dataclass(frozen=True, kw_only=True)
class Queries:
    """Each method gives a query whose value at time t is about the window that ends at t."""

    settings: PrometheusMetrics

    def requests(self, window: str) -> str:
        """Number of requests."""
        own = self.settings.queries.requests
        return self._own(own, window) if own else f"sum({self._grown(self._served(), window)})"

    def errors(self, window: str) -> str:
        """Number of failed requests."""
        own = self.settings.queries.errors
        return self._own(own, window) if own else f"sum({self._grown(self._failed(), window)})"

    def business(self, window: str) -> str | None:
        """Number of what the service is there for; None when it is not configured."""
        own, name = self.settings.queries.business, self.settings.business
        if own:
            return self._own(own, window)
        labels = matchers(self.settings.labels)
        return f"sum({self._grown(f'{name}{{{labels}}}', window)})" if name else None

    def latency(self, window: str) -> str:
        """Mean response time in milliseconds."""
        own = self.settings.queries.latency
        if own:
            return self._own(own, window)
        total, number = (
            f"sum(increase({self._timed(part)}[{window}]))" for part in ("sum", "count")
        )
        return f"1000 * {total} / {number}"

    def quantile(self, share: float, own: str | None, window: str) -> str:
        """Response time in milliseconds that this share of the requests did not exceed."""
        if own:
            return self._own(own, window)
        buckets = f"sum by (le) (increase({self._timed('bucket')}[{window}]))"
        return f"1000 * histogram_quantile({share:g}, {buckets})"

    def saturation(self, window: str) -> str:
        """How full the fullest instance is."""
        own = self.settings.queries.saturation
        if own:
            return self._own(own, window)
        labels = matchers(self.settings.labels)
        parts = (name.strip() for name in self.settings.saturation.split("/"))
        return f"max({' / '.join(f'{name}{{{labels}}}' for name in parts)})"

    def releases(self, window: str) -> str | None:
        """Number of requests of each release; None when no label names it."""
        label = self.settings.release_label
        if label is None or self.settings.queries.requests:
            return None
        return f"sum by ({label}) (increase({self._served()}[{window}]))"

    def counter(self) -> str:
        """What selects the counter of requests."""
        return self._served()

    def labelled(self) -> str:
        """What selects those of its series that have the label that tells errors."""
        return self._served(f'{self.settings.error_label}!=""')

    def _served(self, *more: str) -> str:
        settings = self.settings
        return f"{settings.requests}{{{matchers({**settings.labels, **settings.where}, *more)}}}"

    def _failed(self) -> str:
        return self._served(f"{self.settings.error_label}=~{quoted(self.settings.error_pattern)}")

    def _timed(self, part: str) -> str:
        settings = self.settings
        labels = matchers({**settings.labels, **settings.where})
        return f"{settings.duration}_{part}{{{labels}}}"

    def _grown(self, series: str, window: str) -> str:
        """What counters grew by within the window, series that were born in it included.

        ``increase`` sees only what happens after a series' first sample, and client libraries
        create the series of a status code with its first response: a first error of every
        replica and path would be lost. A series that was born in the window counts by its value,
        where something of the same target was scraped before. Where nothing was, the series may
        be older than what Prometheus knows of it, and its value would be the whole past.
        """
        before = f"last_over_time({series}[{window}] offset {window})"
        target = f"last_over_time({self._known()}[{window}] offset {window})"
        born = f"last_over_time({series}[{window}]) unless {before}"
        return f"(({born}) and on (job, instance) {target}) or increase({series}[{window}])"

    def _known(self) -> str:
        settings = self.settings
        return f"{settings.requests}{{{matchers(settings.labels)}}}"

    def _own(self, text: str, window: str) -> str:
        labels = matchers({**self.settings.labels, **self.settings.where})
        return Template(text).safe_substitute(labels=labels, window=window)
