"""Counts out of Amazon CloudWatch, by whole minutes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from bot.catalog.metrics import Hosted
from bot.catalog.types import ELBV2_ARN, Duration, TargetGroupArn
from bot.clouds.outside import Aws
from bot.core.errors import ForbiddenError, PermanentError, RollbackBotError, TemporaryError
from bot.core.values import Value
from bot.metrics.hosted import MINUTE, NAMES, Counts, Grid, added_up, attempted
from bot.metrics.port import Measured, MetricsProvider, MetricsSource, Series

# Metrics out of Amazon CloudWatch.

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


# What CloudWatch answered, over all pages.

Key = tuple[str, str, str, tuple[tuple[str, str], ...]]


def key_of(query: CloudWatchQuery) -> Key:
    """What makes two queries the same question."""
    dimensions = tuple(sorted(query.dimensions.items()))
    return query.namespace, query.metric, query.statistic, dimensions


@dataclass(kw_only=True)
class Answers:
    """What came back, over all pages."""

    grid: Grid
    identities: dict[Key, str]
    """Question → its id."""
    _points: dict[str, dict[float, float]] = field(default_factory=dict)

    def take(self, page: dict[str, Any]) -> None:
        """Add a page. Raises ForbiddenError or TemporaryError for what is not complete.

        PartialData on a page that others follow is normal; boto3 then asks for the rest.
        """
        for result in page.get("MetricDataResults", ()):
            status = result.get("StatusCode", "Complete")
            said = "; ".join(str(m.get("Value", "")) for m in result.get("Messages", ()))
            if status == "Forbidden":
                raise ForbiddenError(
                    f"CloudWatch does not let us read a metric: {said or status}.",
                    "Grant the bot's role cloudwatch:GetMetricData.",
                )
            if status == "InternalError" or (status == "PartialData" and not page.get("NextToken")):
                raise TemporaryError(
                    f"CloudWatch answers in part: {said or status}.", "Try again in a minute."
                )
            points = self._points.setdefault(result["Id"], {})
            points.update(
                (at.timestamp(), value)
                for at, value in zip(result["Timestamps"], result["Values"], strict=True)
                if value is not None
            )
        for message in page.get("Messages", ()):
            raise _not_all(message)

    def has(self, query: CloudWatchQuery) -> bool:
        """Whether there is any point."""
        return bool(self.values(query))

    def values(self, query: CloudWatchQuery) -> list[float]:
        """The points, scaled."""
        identity = self.identities[key_of(query)]
        return [value * query.scale for value in self._points.get(identity, {}).values()]

    def counts(self, queries: Sequence[CloudWatchQuery]) -> list[float | None]:
        """The sum of several counts, minute by minute."""
        found = []
        for query in queries:
            identity = self.identities[key_of(query)]
            points = self._points.get(identity, {})
            found.append(self.grid.filled({at: n * query.scale for at, n in points.items()}))
        return added_up(found, self.grid.number)


def _not_all(message: dict[str, Any]) -> RollbackBotError:
    code, said = message.get("Code", ""), message.get("Value", "")
    return PermanentError(
        f"CloudWatch does not answer everything: {code} {said}.".replace(" .", "."),
        "Name fewer metrics under metrics in rollback.yml.",
    )


# What is asked of CloudWatch: a load balancer's own metrics, or those that the catalog names.

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


_PLACE = "metrics in rollback.yml"


class CloudWatchSource(MetricsSource[CloudWatchMetrics]):
    """Asks in the account whose credentials the bot has."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    async def series(
        self,
        service: Measured[CloudWatchMetrics],
        *,
        start: datetime,
        end: datetime,
        seconds: float,
    ) -> Series:
        """Counts and figures of a span; raises as ``Metrics.series`` does."""
        settings = service.settings
        grid = Grid.minutes(start, end)
        if not grid.number:
            return Series(buckets=())
        wanted = questions(settings)
        # Two calls, so that a figure that cannot be told does not hide the counts.
        answers, beside = await asyncio.gather(
            self._ask(settings, wanted.counted(), grid),
            attempted(self._ask(settings, wanted.beside(grid), grid)),
        )
        requests = answers.counts(wanted.requests)
        await self._prove(settings, wanted, answers, any(requests))
        if isinstance(beside, RollbackBotError):
            figures: dict[str, Any] = {}
            business: Counts = ()
            problems = [f"Response times and other figures: {beside.what}"]
        else:
            figures, problems = _figures(wanted, beside, served=any(requests))
            business = beside.counts(wanted.business)
        return grid.series(
            seconds=seconds,
            requests=requests,
            errors=answers.counts(wanted.errors),
            business=business,
            problems=problems,
            figures=figures,
        )

    async def _ask(
        self, settings: CloudWatchMetrics, queries: Sequence[Question], grid: Grid
    ) -> Answers:
        named = {key_of(query): (query, period) for query, period in queries}
        answers = Answers(grid=grid, identities={key: f"m{n}" for n, key in enumerate(named)})
        if not named:
            return answers
        pages = await self._aws.pages(
            "cloudwatch",
            "get_metric_data",
            region=settings.region,
            MetricDataQueries=[
                asked(answers.identities[key], query, period=period)
                for key, (query, period) in named.items()
            ],
            StartTime=grid.start,
            EndTime=grid.end,
            ScanBy="TimestampAscending",
        )
        for page in pages:
            answers.take(page)
        return answers

    async def _prove(
        self, settings: CloudWatchMetrics, wanted: Questions, answers: Answers, served: bool
    ) -> None:
        """Tell no traffic and no errors from wrong names, which look the same in an answer.

        Raises PermanentError when a metric is not there and the catalog does not say that it may
        be missing.
        """
        silent = [q for q in wanted.requests if not answers.has(q) and not q.missing_is_zero]
        if served:
            silent = [q for q in wanted.errors if not answers.has(q) and not q.missing_is_zero]
        elif len(silent) < sum(not q.missing_is_zero for q in wanted.requests):
            return
        for query in silent:
            if not await self._exists(settings, query):
                raise PermanentError(
                    f"CloudWatch has no metric {_query_text(query)} within two weeks, which may "
                    "mean that there was nothing to count, or that the name is wrong.",
                    f"Check namespace, metric and all dimensions under {_PLACE}; say "
                    "missing_is_zero: true if it is written only when there is something to count.",
                )

    async def _exists(self, settings: CloudWatchMetrics, query: CloudWatchQuery) -> bool:
        found = await self._aws.call(
            "cloudwatch",
            "list_metrics",
            region=settings.region,
            Namespace=query.namespace,
            MetricName=query.metric,
            Dimensions=[{"Name": k, "Value": v} for k, v in query.dimensions.items()],
        )
        exact = {(k, v) for k, v in query.dimensions.items()}
        return any(
            {(d["Name"], d["Value"]) for d in metric.get("Dimensions", ())} == exact
            for metric in found.get("Metrics", ())
        )


CLOUDWATCH = MetricsProvider(
    name="cloudwatch",
    settings=CloudWatchMetrics,
    title="CloudWatch",
    page="docs/metrics.md#cloudwatch",
    source=lambda access: CloudWatchSource(access.aws),
)


def _figures(
    wanted: Questions, answers: Answers, *, served: bool
) -> tuple[dict[str, Any], list[str]]:
    """Figures over the whole span, and why one that was asked for is missing."""
    figures: dict[str, Any] = {}
    if wanted.latency_sum:
        total, number = (
            sum(count or 0.0 for count in answers.counts(group))
            for group in (wanted.latency_sum, wanted.latency_count)
        )
        figures["latency_ms"] = total / number if number else None
    for name, group in wanted.figures.items():
        values = [value for query in group for value in answers.values(query)]
        # A span may be answered in two parts, and a service may have several target groups:
        # the greatest of their quantiles is never below the quantile of all.
        figures[name] = max(values, default=None)
    missing = [name for name in NAMES if name in figures and figures[name] is None]
    if wanted.business and all(count is None for count in answers.counts(wanted.business)):
        missing.append("business")
    if not served:
        missing = []
    return figures, [f"{NAMES[name]}: CloudWatch has no figure for it." for name in missing]


def _query_text(query: CloudWatchQuery) -> str:
    where = ", ".join(f"{name}={value}" for name, value in query.dimensions.items())
    return f"{query.namespace} {query.metric}{f' ({where})' if where else ''}"
