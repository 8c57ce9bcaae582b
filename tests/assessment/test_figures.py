"""Live figures and what is normal: told with their source, and each gap by itself."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from bot.assessment.figures import measure, normal
from bot.catalog.service import ServiceEntry
from bot.core.errors import TemporaryError
from bot.judge.counts import Bucket
from bot.metrics.port import Series
from tests.company.harness import Company, Process, catalog_of

PROMETHEUS = {"provider": "prometheus", "url": "http://prometheus.example", "labels": {"job": "x"}}


class Answers:
    """Implements ``bot.engine.world.Metrics``: one answer for now, one for the time before."""

    def __init__(self, now: Series | Exception, before: Series | Exception) -> None:
        self.answers = [now, before]
        self.spans: list[tuple[datetime, datetime]] = []

    async def series(
        self, name: str, service: ServiceEntry, *, start: datetime, end: datetime, seconds: float
    ) -> Series:
        self.spans.append((start, end))
        answer = self.answers[len(self.spans) - 1]
        if isinstance(answer, Exception):
            raise answer
        buckets = tuple(
            bucket.model_copy(update={"start": start + number * timedelta(seconds=bucket.seconds)})
            for number, bucket in enumerate(answer.buckets)
        )
        return answer.model_copy(update={"buckets": buckets})


def series(minutes: int, **figures: object) -> Series:
    start = datetime.fromisoformat("2026-03-02T12:00:00Z")
    bucket = Bucket(start=start, seconds=60, requests=600, errors=6)
    return Series.model_validate({"buckets": (bucket,) * minutes, **figures})


async def process_with(company: Company, answers: Answers, **metrics: object) -> Process:
    catalog = catalog_of({})
    entry = catalog.services["checkout"]
    described = entry.model_dump(mode="json", exclude_defaults=True, by_alias=True)
    measured = ServiceEntry.model_validate({**described, "metrics": {**PROMETHEUS, **metrics}})
    services = {**catalog.services, "checkout": measured}
    process = await company.process(
        catalog=catalog.model_copy(update={"services": services}), sends=False
    )
    object.__setattr__(process.context, "metrics", answers)
    return process


async def test_a_drop_in_business_is_computed_against_normal(company: Company) -> None:
    answers = Answers(series(2, business_per_minute=30.0), series(60, business_per_minute=120.0))
    figures = await measure((await process_with(company, answers)).context, "checkout")
    assert figures.business_shortfall == pytest.approx(0.75)
    assert (figures.business_per_minute, figures.baseline_business_per_minute) == (30.0, 120.0)
    assert figures.source == "Prometheus"
    assert figures.problems == ()


async def test_more_business_than_normal_is_no_drop(company: Company) -> None:
    answers = Answers(series(2, business_per_minute=200.0), series(60, business_per_minute=120.0))
    figures = await measure((await process_with(company, answers)).context, "checkout")
    assert figures.business_shortfall == 0


async def test_a_handful_of_orders_is_not_compared(company: Company) -> None:
    answers = Answers(series(2, business_per_minute=1.0), series(60, business_per_minute=4.0))
    figures = await measure((await process_with(company, answers)).context, "checkout")
    assert figures.business_shortfall is None
    assert any("too little to compare" in problem for problem in figures.problems)


async def test_a_figure_that_is_missing_is_named_and_hides_no_other(company: Company) -> None:
    now = series(2, p95_ms=400.0, problems=("Saturation: Prometheus has no figure for it.",))
    answers = Answers(now, series(60, p95_ms=150.0))
    figures = await measure((await process_with(company, answers)).context, "checkout")
    assert (figures.error_rate, figures.p95_ms, figures.baseline_p95_ms) == (0.01, 400.0, 150.0)
    assert figures.problems == ("Saturation: Prometheus has no figure for it.",)


async def test_live_figures_survive_an_unknown_normal(company: Company) -> None:
    answers = Answers(series(2, business_per_minute=30.0), TemporaryError("Prometheus is down."))
    figures = await measure((await process_with(company, answers)).context, "checkout")
    assert figures.error_rate == 0.01
    assert figures.baseline_note == "Prometheus is down."
    assert figures.problems == (
        "Prometheus is down.",
        "What is normal for the business metric is unknown.",
    )


async def test_a_late_source_is_asked_about_the_newest_time_that_it_knows(company: Company) -> None:
    answers = Answers(series(2), series(60))
    process = await process_with(company, answers, delay="2m")
    now = process.context.clock.now()
    await measure(process.context, "checkout")
    live, before = answers.spans
    assert live == (now - timedelta(minutes=4), now - timedelta(minutes=2))
    assert before[1] <= now - timedelta(minutes=2)


async def test_normal_ends_where_the_bad_release_begins(company: Company) -> None:
    answers = Answers(series(60), series(60))
    process = await process_with(company, answers)
    released = process.context.clock.now() - timedelta(minutes=7)
    usual = await normal(process.context, "checkout", released_at=released)
    assert answers.spans == [(released - timedelta(minutes=60), released)]
    assert usual.baseline is not None
    assert usual.baseline.end == released
    assert "36,000 requests in the 1 h before the release" in usual.note
    assert "all that was recorded" not in usual.note


async def test_a_short_baseline_is_said_to_be_short(company: Company) -> None:
    process = await process_with(company, Answers(series(12), series(12)))
    released = process.context.clock.now()
    usual = await normal(process.context, "checkout", released_at=released)
    assert "in the 12 min before the release" in usual.note
    assert usual.note.endswith("which is all that was recorded")
