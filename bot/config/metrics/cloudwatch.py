"""Metrics out of Amazon CloudWatch."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from bot.config.addresses import ELBV2_ARN, TargetGroupArn
from bot.config.durations import Duration
from bot.config.metrics.hosted import Hosted
from bot.domain.values import Value

LoadBalancerArn = Annotated[str, StringConstraints(pattern=ELBV2_ARN + r"loadbalancer/app/")]


class CloudWatchQuery(Value):
    """One metric and one statistic of it."""

    namespace: str = Field(min_length=1)
    metric: str = Field(min_length=1)
    """The metric's name."""
    dimensions: dict[str, str] = Field(default_factory=dict, max_length=30)
    """All of the metric's dimensions: CloudWatch does not sum over those left out."""
    statistic: str = Field(
        default="Sum", pattern=r"^(Sum|Average|Minimum|Maximum|SampleCount|p\d{1,2}(\.\d+)?)$"
    )
    """How a period's values are put together."""
    scale: float = Field(default=1.0, gt=0)
    """The figure is multiplied by it: 1000 for seconds, 0.01 for per cent."""
    missing_is_zero: bool = False
    """The metric is written only when there is something to count."""


class CloudWatchMetrics(Hosted):
    """An Application Load Balancer's own metrics, or any others by name."""

    provider: Literal["cloudwatch"]
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d+$")
    load_balancer: LoadBalancerArn | None = None
    """Short form: requests, errors and response times of this Application Load Balancer;"""
    target_groups: tuple[TargetGroupArn, ...] = Field(default=(), max_length=10)
    """only those of these target groups, of every colour, where others are behind it too."""
    shared: bool = False
    """Other services are behind it: its own errors are nobody's in particular. Then connections
    that a target did not take are counted in their place."""
    requests: tuple[CloudWatchQuery, ...] = Field(default=(), max_length=20)
    """Instead of a load balancer: their sum is the number of requests."""
    errors: tuple[CloudWatchQuery, ...] = Field(default=(), max_length=20)
    """Metrics that count failed requests; they are added up."""
    latency: CloudWatchQuery | None = None
    """Mean response time, milliseconds."""
    p95: CloudWatchQuery | None = None
    """95th percentile of the response time."""
    p99: CloudWatchQuery | None = None
    """99th percentile of the response time."""
    saturation: CloudWatchQuery | None = None
    """Between 0 and 1."""
    business: CloudWatchQuery | None = None
    """What the service is there for, as a count: orders, sign-ups, payments."""
    delay: Duration | None = timedelta(minutes=2)

    @model_validator(mode="after")
    def _one_source_of_requests(self) -> CloudWatchMetrics:
        if (self.load_balancer is None) == (not self.requests):
            raise ValueError("name either load_balancer or requests and errors")
        if bool(self.requests) != bool(self.errors):
            raise ValueError("name requests and errors together: one is a part of the other")
        if self.target_groups and self.load_balancer is None:
            raise ValueError("target_groups need the load_balancer in front of them")
        if self.shared and not self.target_groups:
            raise ValueError("of a shared load balancer name the service's target_groups")
        self._counts_are_sums()
        self._everything_in_the_region()
        return self

    def _counts_are_sums(self) -> None:
        counts = (*self.requests, *self.errors, *((self.business,) if self.business else ()))
        for query in counts:
            if query.statistic not in {"Sum", "SampleCount"}:
                raise ValueError(
                    f"{query.metric}: a count needs the statistic Sum or SampleCount, not "
                    f"{query.statistic}"
                )

    def _everything_in_the_region(self) -> None:
        arns = (*self.target_groups, *((self.load_balancer,) if self.load_balancer else ()))
        strange = sorted(arn for arn in arns if arn.split(":")[3] != self.region)
        if strange:
            raise ValueError(f"not in region {self.region}: {', '.join(strange)}")
