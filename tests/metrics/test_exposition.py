"""Which numbers of a metrics page count."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from bot.core.errors import PermanentError
from bot.metrics.pods import CounterMissingError, PodMetrics, read_counters

METRICS = PodMetrics(namespace="shop", selector="app=checkout", port=8080)


def test_the_page_of_the_official_client_library_is_understood() -> None:
    registry = CollectorRegistry()
    requests = Counter("http_requests", "Requests", ["code", "path"], registry=registry)
    seconds = Histogram("http_request_duration_seconds", "Duration", registry=registry)
    requests.labels("200", "/pay").inc(90)
    requests.labels("503", "/pay").inc(7)
    requests.labels("500", "/cart").inc(3)
    for duration in (0.1, 0.3):
        seconds.observe(duration)
    counters = read_counters(generate_latest(registry).decode(), METRICS)
    assert (counters.requests, counters.errors) == (100, 10)
    assert counters.duration_sum == pytest.approx(0.4)
    assert counters.duration_count == 2


def test_a_declared_counter_without_series_is_zero() -> None:
    registry = CollectorRegistry()
    Counter("http_requests", "Requests", ["code"], registry=registry)
    assert read_counters(generate_latest(registry).decode(), METRICS).requests == 0


def test_a_page_without_the_counter_is_refused_with_its_name() -> None:
    with pytest.raises(CounterMissingError, match="http_requests_total"):
        read_counters("# TYPE other_total counter\nother_total 5\n", METRICS)


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("hits", "hits{} 7\n"),
        ("hits", "# TYPE hits counter\nhits{} 7\n"),
        ("hits_total", "hits_total{} 7\n"),
        ("hits_total", "# TYPE hits_total counter\nhits_total{} 7\n"),
        ("hits_total", "# TYPE hits gauge\nhits 1\n# TYPE hits_total counter\nhits_total{} 7\n"),
    ],
)
def test_the_counter_is_found_under_the_name_that_the_page_uses(name: str, page: str) -> None:
    metrics = METRICS.model_copy(update={"requests": name})
    assert read_counters(page.replace("{}", '{code="200"}'), metrics).requests == 7


@pytest.mark.parametrize(
    "page", ["http_requests_total 7\n", 'http_requests_total{status="500"} 7\n']
)
def test_a_counter_that_cannot_tell_errors_is_refused(page: str) -> None:
    with pytest.raises(CounterMissingError, match="no label “code”"):
        read_counters(page, METRICS)


def test_only_the_series_with_the_wanted_labels_count() -> None:
    page = (
        'http_requests_total{code="200",handler="pay"} 5\n'
        'http_requests_total{code="500",handler="pay"} 2\n'
        'http_requests_total{code="500",handler="health"} 99\n'
    )
    metrics = METRICS.model_copy(update={"where": {"handler": "pay"}})
    counters = read_counters(page, metrics)
    assert (counters.requests, counters.errors) == (7, 2)


def test_an_error_pattern_must_match_the_whole_value() -> None:
    page = 'http_requests_total{code="200"} 5\nhttp_requests_total{code="1500"} 2\n'
    assert read_counters(page, METRICS).errors == 0


@pytest.mark.parametrize("page", ["<html>not metrics</html>", 'a{b="c} 1'])
def test_anything_else_is_refused_and_the_catalog_named(page: str) -> None:
    with pytest.raises(PermanentError, match=r"metrics\.port"):
        read_counters(page, METRICS)


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1"])
def test_a_counter_that_is_no_count_is_refused(value: str) -> None:
    with pytest.raises(PermanentError, match="value"):
        read_counters(f'http_requests_total{{code="200"}} {value}\n', METRICS)


def test_histogram_business_and_saturation_are_read_where_they_are_exported() -> None:
    page = (
        'http_requests_total{code="200"} 5\n'
        'http_request_duration_seconds_bucket{path="/a",le="0.1"} 3\n'
        'http_request_duration_seconds_bucket{path="/b",le="0.1"} 1\n'
        'http_request_duration_seconds_bucket{path="/a",le="+Inf"} 4\n'
        "orders_total 12\nprocess_open_fds 256\nprocess_max_fds 1024\n"
    )
    counters = read_counters(page, METRICS.model_copy(update={"business": "orders_total"}))
    assert counters.duration_buckets == {"0.1": 4, "+Inf": 4}
    assert (counters.business, counters.saturation) == (12, 0.25)


@pytest.mark.parametrize("page", ["", "process_open_fds 5\n", "process_max_fds 0\n"])
def test_what_is_not_exported_is_unknown(page: str) -> None:
    metrics = METRICS.model_copy(update={"business": "orders_total"})
    counters = read_counters(f'http_requests_total{{code="200"}} 5\n{page}', metrics)
    assert (counters.business, counters.saturation) == (None, None)
    assert counters.duration_buckets == {}
