"""Deployments are what the bot saw serve for the first time; what it did not see it says."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.catalog.service import ServiceEntry
from bot.core.errors import PermanentError, TemporaryError
from bot.engine.context import Context
from bot.home import records
from bot.home.model import Ledger
from bot.judge.counts import Bucket
from bot.metrics.port import Series
from tests.company.harness import Company

Counts = dict[str, int] | Exception


class Serving:
    """Metrics that say which releases answered, one reading a look."""

    def __init__(self, *readings: Counts) -> None:
        self._readings = deque(readings)

    async def series(
        self, name: str, service: ServiceEntry, *, start: datetime, end: datetime, seconds: float
    ) -> Series:
        """The next reading, in the last bucket of the span."""
        reading = self._readings.popleft() if name == "checkout" else PermanentError("no metrics.")
        if isinstance(reading, Exception):
            raise reading
        spans = max(1, int((end - start).total_seconds() / seconds))
        buckets = [
            Bucket(
                start=start + timedelta(seconds=n * seconds), seconds=seconds, requests=0, errors=0
            )
            for n in range(spans)
        ]
        buckets[-1] = buckets[-1].model_copy(update={"requests": sum(reading.values())})
        by_release = {release: count for release, count in reading.items() if release}
        return Series(buckets=tuple(buckets), requests_by_release=by_release)


async def _looked(company: Company, *readings: Counts, every: float = 300) -> Ledger:
    """What is known of checkout after so many looks."""
    context: Context = (await company.process()).context
    watching = replace(context, metrics=Serving(*readings))
    for _ in readings:
        await records.look(watching)
        await company.clock.advance(every)
    found = {ledger.service: ledger for ledger in await records.ledgers(watching)}
    assert "no metrics" in found["payments"].problem
    return found["checkout"]


def _releases(ledger: Ledger) -> list[str]:
    return sorted(deployment.release for deployment in ledger.deployments)


async def test_what_served_when_the_bot_began_to_look_is_no_deployment(company: Company) -> None:
    began = company.clock.now()
    ledger = await _looked(company, {"v1": 90}, {"v1": 50, "v2": 40}, {"v2": 90}, {"v1": 90})
    # v1 came back by a rollback: it is not deployed a second time.
    assert (_releases(ledger), ledger.since, ledger.problem) == (["v2"], began, "")


async def test_a_look_that_fails_or_finds_nobody_is_made_up_for_by_the_next(
    company: Company,
) -> None:
    ledger = await _looked(
        company, {}, {"v1": 9}, TemporaryError("Silent."), {"v1": 1, "v2": 5, "v3": 5}
    )
    assert _releases(ledger) == ["v2", "v3"]
    assert ledger.problem == ""


async def test_time_in_which_the_bot_was_away_is_said(company: Company) -> None:
    ledger = await _looked(company, {"v1": 9}, {"v2": 9}, every=3600)
    assert _releases(ledger) == ["v2"]
    assert "The bot was away for 1 h" in ledger.problem


async def test_metrics_that_do_not_tell_releases_apart_leave_the_rate_unknown(
    company: Company,
) -> None:
    ledger = await _looked(company, {"": 90})
    assert ledger.since is None
    assert "do not tell which release answered" in ledger.problem


async def test_without_any_request_it_says_what_would_make_it_known(company: Company) -> None:
    ledger = await _looked(company, {})
    assert ledger.since is None
    assert "They are counted from the first one on." in ledger.problem


class Hanging(Serving):
    """A source that hangs for checkout, and knows nothing of the others."""

    async def series(
        self, name: str, service: ServiceEntry, *, start: datetime, end: datetime, seconds: float
    ) -> Series:
        if name == "checkout":
            await asyncio.Event().wait()
        raise PermanentError("no metrics.")


async def test_a_source_that_hangs_keeps_no_other_service_from_being_looked_at(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "PATIENCE", timedelta(seconds=0.05))
    watching = replace((await company.process()).context, metrics=Hanging())
    async with asyncio.timeout(5):
        await records.look(watching)
    found = {ledger.service: ledger for ledger in await records.ledgers(watching)}
    assert "no metrics" in found["payments"].problem
