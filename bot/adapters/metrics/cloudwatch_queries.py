"""What is asked of CloudWatch: a load balancer's own metrics, or those that the catalog names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bot.adapters.metrics.grid import MINUTE, Grid
from bot.config.metrics.cloudwatch import CloudWatchMetrics, CloudWatchQuery

_DAY = 86_400
_LOAD_BALANCER = "AWS/ApplicationELB"

Question = tuple[CloudWatchQuery, int]
"""A metric, and the length of its intervals in seconds."""


@dataclass(frozen=True, kw_only=True)
class Questions:
    """Metrics by what they are for. Counts are asked by the minute, figures over the span."""

    requests: tuple[CloudWatchQuery, ...]
    errors: tuple[CloudWatchQuery, ...]
    business: tuple[CloudWatchQuery, ...]
    latency_sum: tuple[CloudWatchQuery, ...] = ()
    latency_count: tuple[CloudWatchQuery, ...] = ()
    """Sum and number of response times, from which the mean follows exactly."""
    figures: dict[str, tuple[CloudWatchQuery, ...]]
    """Member of ``Series`` → metrics, of which the greatest is taken."""

    def counted(self) -> list[Question]:
        """What recovery is judged by."""
        return [(query, MINUTE) for query in (*self.requests, *self.errors)]

    def beside(self, grid: Grid) -> list[Question]:
        """Everything else."""
        counts = (*self.business, *self.latency_sum, *self.latency_count)
        span = min(int(grid.seconds) * grid.number, _DAY)
        figures = (query for group in self.figures.values() for query in group)
        return [*((query, MINUTE) for query in counts), *((query, span) for query in figures)]


def questions(settings: CloudWatchMetrics) -> Questions:
    """Everything that is asked about one service."""
    own = {
        "latency_ms": settings.latency,
        "p95_ms": settings.p95,
        "p99_ms": settings.p99,
        "saturation": settings.saturation,
    }
    figures: dict[str, tuple[CloudWatchQuery, ...]] = {
        name: (query,) for name, query in own.items() if query is not None
    }
    business = (settings.business,) if settings.business else ()
    if settings.load_balancer is None:
        return Questions(
            requests=settings.requests, errors=settings.errors, business=business, figures=figures
        )
    return _balancer(settings, business, figures)


def _balancer(
    settings: CloudWatchMetrics,
    business: tuple[CloudWatchQuery, ...],
    figures: dict[str, tuple[CloudWatchQuery, ...]],
) -> Questions:
    """An Application Load Balancer.

    ``RequestCount`` has no requests for which no target could be chosen: the balancer answers
    those with 503, and they are added. It writes an error count only when there is one.
    """
    balancer = {"LoadBalancer": str(settings.load_balancer).split(":loadbalancer/")[1]}
    places = [{**balancer, "TargetGroup": arn.split(":")[5]} for arn in settings.target_groups] or [
        balancer
    ]

    def metric(name: str, where: dict[str, str], statistic: str = "Sum") -> CloudWatchQuery:
        return CloudWatchQuery(
            namespace=_LOAD_BALANCER,
            metric=name,
            dimensions=where,
            statistic=statistic,
            scale=1000 if name == "TargetResponseTime" and statistic != "SampleCount" else 1,
            missing_is_zero=name != "RequestCount",
        )

    def each(name: str, statistic: str = "Sum") -> tuple[CloudWatchQuery, ...]:
        return tuple(metric(name, where, statistic) for where in places)

    if settings.shared:
        refused: tuple[CloudWatchQuery, ...] = ()
        failed = each("TargetConnectionErrorCount")
    else:
        refused = (metric("HTTPCode_ELB_503_Count", balancer),)
        failed = (metric("HTTPCode_ELB_5XX_Count", balancer),)
    times = {"p95_ms": "p95", "p99_ms": "p99"}
    quantiles = {name: each("TargetResponseTime", one) for name, one in times.items()}
    return Questions(
        requests=(*each("RequestCount"), *refused),
        errors=(*each("HTTPCode_Target_5XX_Count"), *failed),
        business=business,
        latency_sum=each("TargetResponseTime", "Sum"),
        latency_count=each("TargetResponseTime", "SampleCount"),
        figures={**quantiles, **figures},
    )


def asked(identity: str, query: CloudWatchQuery, *, period: int = MINUTE) -> dict[str, Any]:
    """One query of ``GetMetricData``."""
    dimensions = [{"Name": name, "Value": value} for name, value in query.dimensions.items()]
    return {
        "Id": identity,
        "MetricStat": {
            "Metric": {
                "Namespace": query.namespace,
                "MetricName": query.metric,
                "Dimensions": dimensions,
            },
            "Period": period,
            "Stat": query.statistic,
        },
        "ReturnData": True,
    }
