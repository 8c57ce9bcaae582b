"""CloudWatch: answers that are not whole, and what a load balancer's own metrics mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.core.errors import ForbiddenError, PermanentError, RollbackBotError, TemporaryError
from bot.metrics.cloudwatch import CloudWatchMetrics, CloudWatchSource
from bot.metrics.port import Measured, Series

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
REGION = "eu-central-1"
ELB = f"arn:aws:elasticloadbalancing:{REGION}:123456789012:"
BALANCER = f"{ELB}loadbalancer/app/shop/50dc6c495c0c9188"
BLUE, GREEN = f"{ELB}targetgroup/blue/73e2d6bc24d8a067", f"{ELB}targetgroup/green/943f017f100becff"


class CloudWatch:
    """Implements ``bot.clouds.outside.Aws`` for two operations, as their reference describes them.

    Moto, which the contract suite uses, always answers everything on one page.
    """

    def __init__(self) -> None:
        self.points: dict[tuple[str, str], list[tuple[float, float]]] = {}
        """(metric's name, target group or "") → minutes after noon and values."""
        self.known: list[str] = []
        """Names that ListMetrics finds."""
        self.last: dict[str, Any] = {"StatusCode": "Complete"}
        self.messages: list[dict[str, str]] = []
        self.beside: dict[str, Any] = {}
        """Instead of ``last``, for the questions beside the counts."""
        self.asked: list[list[dict[str, Any]]] = []

    async def pages(
        self, service: str, operation: str, /, *, region: str | None = None, **arguments: Any
    ) -> tuple[dict[str, Any], ...]:
        assert (service, operation, region) == ("cloudwatch", "get_metric_data", REGION)
        queries = arguments["MetricDataQueries"]
        self.asked.append(queries)
        counted = any(q["MetricStat"]["Metric"]["MetricName"] == "RequestCount" for q in queries)
        last = self.last if counted else self.beside or self.last
        first = [
            self._result(query, slice(0, 1), {"StatusCode": "PartialData"}) for query in queries
        ]
        second = [self._result(query, slice(1, None), last) for query in queries]
        return (
            {"MetricDataResults": first, "NextToken": "more"},
            {"MetricDataResults": second, "Messages": self.messages},
        )

    def _result(self, query: dict[str, Any], part: slice, status: dict[str, Any]) -> dict[str, Any]:
        metric = query["MetricStat"]["Metric"]
        group = next((d["Value"] for d in metric["Dimensions"] if d["Name"] == "TargetGroup"), "")
        points = self.points.get((metric["MetricName"], group.split("/")[-1]), [])[part]
        times = [NOON + timedelta(minutes=at) for at, _ in points]
        return {"Id": query["Id"], "Timestamps": times, "Values": [v for _, v in points], **status}

    async def call(
        self, service: str, operation: str, /, *, region: str | None = None, **arguments: Any
    ) -> dict[str, Any]:
        assert operation == "list_metrics"
        found = (
            [{"Dimensions": arguments["Dimensions"]}]
            if arguments["MetricName"] in self.known
            else []
        )
        return {"Metrics": found}


async def read(cloudwatch: CloudWatch, *, start: float = 0, **changes: Any) -> Series:
    given: dict[str, Any] = {
        "provider": "cloudwatch",
        "region": REGION,
        "load_balancer": BALANCER,
        **changes,
    }
    metrics = CloudWatchMetrics.model_validate(given)
    return await CloudWatchSource(cloudwatch).series(
        Measured(name="checkout", settings=metrics, version_label="version"),
        start=NOON + timedelta(minutes=start),
        end=NOON + timedelta(minutes=3),
        seconds=60,
    )


def counts(series: Series) -> list[tuple[int, int]]:
    return [(bucket.requests, bucket.errors) for bucket in series.buckets]


async def test_pages_are_put_together() -> None:
    cloudwatch = CloudWatch()
    cloudwatch.points["RequestCount", ""] = [(0, 600), (1, 500), (2, 400)]
    cloudwatch.points["HTTPCode_Target_5XX_Count", ""] = [(0, 6), (2, 4)]
    cloudwatch.points["HTTPCode_ELB_5XX_Count", ""] = [(2, 1)]
    assert counts(await read(cloudwatch)) == [(600, 6), (500, 0), (400, 5)]


async def test_requests_that_found_no_target_are_requests_and_errors() -> None:
    """When every target is gone the balancer counts no request, and answers 503."""
    cloudwatch = CloudWatch()
    cloudwatch.points["RequestCount", ""] = [(0, 600)]
    for name in ("HTTPCode_ELB_503_Count", "HTTPCode_ELB_5XX_Count"):
        cloudwatch.points[name, ""] = [(1, 550), (2, 560)]
    assert counts(await read(cloudwatch)) == [(600, 0), (550, 550), (560, 560)]


async def test_behind_a_shared_balancer_only_the_services_own_groups_count() -> None:
    cloudwatch = CloudWatch()
    for group, requests in ((BLUE, 100), (GREEN, 500)):
        cloudwatch.points["RequestCount", group.split("/")[-1]] = [(0, requests)]
    cloudwatch.points["TargetConnectionErrorCount", GREEN.rsplit("/", maxsplit=1)[-1]] = [(0, 7)]
    cloudwatch.points["HTTPCode_ELB_5XX_Count", ""] = [(0, 90)]
    series = await read(cloudwatch, target_groups=[BLUE, GREEN], shared=True)
    assert counts(series)[0] == (600, 7)
    dimensions = [
        {d["Name"] for d in query["MetricStat"]["Metric"]["Dimensions"]}
        for query in cloudwatch.asked[0]
    ]
    assert all(names == {"LoadBalancer", "TargetGroup"} for names in dimensions)


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        ({"StatusCode": "PartialData"}, TemporaryError, "in part"),
        ({"StatusCode": "InternalError"}, TemporaryError, "in part"),
        ({"StatusCode": "Forbidden"}, ForbiddenError, "cloudwatch:GetMetricData"),
    ],
)
async def test_an_answer_that_is_not_whole_is_no_answer(
    status: dict[str, Any], kind: type[RollbackBotError], said: str
) -> None:
    cloudwatch = CloudWatch()
    cloudwatch.points["RequestCount", ""] = [(0, 600)]
    cloudwatch.last = status
    with pytest.raises(kind, match=said):
        await read(cloudwatch)


async def test_a_message_about_the_whole_answer_is_an_error() -> None:
    cloudwatch = CloudWatch()
    cloudwatch.points["RequestCount", ""] = [(0, 600)]
    cloudwatch.messages = [{"Code": "MaxMetricsExceeded", "Value": "500 metrics"}]
    with pytest.raises(PermanentError, match="MaxMetricsExceeded"):
        await read(cloudwatch)


async def test_response_times_that_cannot_be_told_hide_no_counts() -> None:
    cloudwatch = CloudWatch()
    cloudwatch.points["RequestCount", ""] = [(0, 600)]
    cloudwatch.beside = {"StatusCode": "InternalError"}
    series = await read(cloudwatch)
    assert series.requests == 600
    assert "in part" in series.problems[0]


async def test_the_minute_in_which_traffic_was_switched_is_left_out() -> None:
    cloudwatch = CloudWatch()
    cloudwatch.points["RequestCount", ""] = [(0, 600), (1, 500), (2, 400)]
    series = await read(cloudwatch, start=0.4)
    assert [bucket.start for bucket in series.buckets] == [
        NOON + timedelta(minutes=1),
        NOON + timedelta(minutes=2),
    ]
    assert counts(series) == [(500, 0), (400, 0)]


OWN: dict[str, Any] = {
    "load_balancer": None,
    "requests": [{"namespace": "Shop", "metric": "RequestCount"}],
    "errors": [{"namespace": "Shop", "metric": "Failures"}],
}


async def test_no_errors_are_believed_where_the_metric_exists() -> None:
    cloudwatch = CloudWatch()
    cloudwatch.points["RequestCount", ""] = [(0, 600)]
    cloudwatch.known = ["Failures"]
    assert counts(await read(cloudwatch, **OWN))[0] == (600, 0)


async def test_no_errors_are_not_believed_where_no_such_metric_exists() -> None:
    cloudwatch = CloudWatch()
    cloudwatch.points["RequestCount", ""] = [(0, 600)]
    with pytest.raises(PermanentError, match="Failures") as caught:
        await read(cloudwatch, **OWN)
    assert "missing_is_zero" in caught.value.remedy


async def test_a_metric_that_is_only_written_when_it_counts_may_be_missing() -> None:
    cloudwatch = CloudWatch()
    cloudwatch.points["RequestCount", ""] = [(0, 600)]
    errors = [{"namespace": "Shop", "metric": "Failures", "missing_is_zero": True}]
    assert counts(await read(cloudwatch, **{**OWN, "errors": errors}))[0] == (600, 0)
