"""Counts out of Amazon CloudWatch, by whole minutes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bot.adapters.metrics.cloudwatch_answers import Answers, key_of
from bot.adapters.metrics.cloudwatch_queries import Question, Questions, asked, questions
from bot.adapters.metrics.grid import NAMES, Counts, Grid
from bot.adapters.metrics.web_api import attempted
from bot.config.metrics.cloudwatch import CloudWatchMetrics, CloudWatchQuery
from bot.errors import PermanentError, RollbackBotError
from bot.ports.metrics import Measured, MetricsProvider, MetricsSource, Series
from bot.ports.outside import Aws

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
                    f"CloudWatch has no metric {_said(query)} within two weeks, which may mean "
                    "that there was nothing to count, or that the name is wrong.",
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


def _said(query: CloudWatchQuery) -> str:
    where = ", ".join(f"{name}={value}" for name, value in query.dimensions.items())
    return f"{query.namespace} {query.metric}{f' ({where})' if where else ''}"
