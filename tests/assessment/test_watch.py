"""MONITOR declares nothing: the person hears once that it got worse, or that it stayed fine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from bot.assessment import assess
from bot.core.errors import TemporaryError
from bot.engine.context import Context
from bot.freeze import freeze
from bot.incident.assessment import Assessment, VerdictKind
from bot.judge.counts import Bucket
from bot.paperwork import follow_up, papers
from bot.proof import relapse, tripwire
from bot.store.values import Document
from sandbox.slack.base.model import Message
from tests.assessment.test_figures import Answers, process_with, series
from tests.company.deeds import declare
from tests.company.harness import Company, Process, catalog_of
from tests.company.shop import Traffic

TEN_MINUTES = catalog_of({"assessment": {"watch_for": "10m"}})


@pytest.fixture
async def process(company: Company) -> Process:
    """A process, and a shop that serves well."""
    company.shop.changed_at = company.shop.released_at
    return await company.process(catalog=TEN_MINUTES)


async def _watching(process: Process) -> assess.Watch:
    company = process.company
    draft = await assess.begin(
        process.context,
        draft_id=assess.new_draft_id(),
        service="checkout",
        actor=company.actor("ana"),
        asked_in=company.ops.id,
    )
    assert draft.figures is not None
    filled = Assessment(service="checkout", figures=draft.figures)
    judged = await assess.submit(process.context, draft.id, filled)
    assert judged.verdict is not None
    assert judged.verdict.kind is VerdictKind.MONITOR
    return await assess.start(process.context, judged)


def _worse(company: Company) -> None:
    company.shop.after = Traffic(since=company.clock.now(), per_second=10, error_rate=0.09)


def _told(company: Company) -> list[Message]:
    """What ana was told directly."""
    return company.messages(company.slack.workspace.user("ana").direct_channel)


async def test_a_worse_service_brings_one_message_with_the_way_to_act(
    company: Company, process: Process
) -> None:
    await _watching(process)
    await company.clock.advance(3 * 60)
    assert _told(company) == []
    _worse(company)
    await company.clock.advance(4 * 60)
    (message,) = _told(company)
    assert "checkout" in message.plain
    assert "9.0%" in message.plain
    buttons = [e for block in message.blocks for e in block.get("elements", [])]
    assert [b["value"] for b in buttons if b.get("action_id", "").startswith("assess")] == [
        "checkout"
    ]


async def test_a_service_that_stays_fine_brings_one_message_at_the_end(
    company: Company, process: Process
) -> None:
    started = await _watching(process)
    await company.clock.advance(9 * 60)
    assert _told(company) == []
    await company.clock.advance_to(started.until + timedelta(minutes=3))
    (message,) = _told(company)
    assert "checkout" in message.plain
    assert await process.store.documents(assess.WATCHES) == ()


async def test_a_watch_outlives_the_process(company: Company, process: Process) -> None:
    await _watching(process)
    await process.kill()
    _worse(company)
    await company.clock.advance(300)
    await company.process()
    await company.clock.advance(120)
    assert len(_told(company)) == 1


async def test_two_processes_tell_the_person_once(company: Company, process: Process) -> None:
    await company.process()
    await _watching(process)
    _worse(company)
    await company.clock.advance(200)
    assert len(_told(company)) == 1


async def test_killed_between_telling_and_forgetting_the_person_is_told_once(
    company: Company, process: Process
) -> None:
    await _watching(process)
    _worse(company)
    await company.clock.advance(55)
    process.life.die_at("after enqueue", 1)
    await company.clock.run_until(lambda: not process.life.alive)
    await process.kill()
    await company.process()
    await company.clock.advance(300)
    assert len(_told(company)) == 1


async def test_metrics_that_fall_silent_are_reported_because_unknown_is_not_healthy(
    company: Company, process: Process
) -> None:
    await _watching(process)
    company.shop.script["series"] = [TemporaryError("The recorder is down.")] * 10
    await company.clock.advance(120)
    (message,) = _told(company)
    assert "unknown" in message.plain


async def test_an_incident_ends_the_watch_without_a_word(
    company: Company, process: Process
) -> None:
    await _watching(process)
    await declare(process)
    _worse(company)
    await company.clock.advance(300)
    assert _told(company) == []
    assert await process.store.documents(assess.WATCHES) == ()


async def test_business_that_falls_ends_the_watch(company: Company) -> None:
    calm = Bucket(start=company.clock.now(), seconds=60, requests=600, errors=1)
    usual = series(60, business_per_minute=120.0)
    now = series(2, business_per_minute=118.0).model_copy(update={"buckets": (calm, calm)})
    process = await process_with(company, Answers(now, usual))
    await _watching(process)
    falling = Answers(now.model_copy(update={"business_per_minute": 30.0}), usual)
    object.__setattr__(process.context, "metrics", falling)
    await assess.look(process.context)
    (told,) = await process.store.claim_deliveries(
        owner="nobody", now=company.clock.now(), ttl=timedelta(minutes=1)
    )
    assert "75.0%" in str(told.delivery.payload)


async def test_a_watch_that_cannot_be_read_stops_no_other(
    company: Company, process: Process
) -> None:
    started = await _watching(process)
    blank = started.draft.model_copy(update={"id": "0-blank", "assessment": None})
    await assess.start(process.context, blank)
    await process.store.put(Document(kind=assess.WATCHES, id="1-torn", body={"torn": True}))
    await company.clock.advance(11 * 60)
    assert len(_told(company)) == 1


@pytest.mark.parametrize(
    ("kind", "look"),
    [
        (tripwire.KIND, tripwire.look),
        (relapse.KIND, relapse.look),
        (freeze.KIND, freeze.look),
        (papers.KIND, follow_up.look),
    ],
)
async def test_no_scheduled_look_ends_at_a_document_that_it_cannot_read(
    process: Process, kind: str, look: Callable[[Context], Awaitable[None]]
) -> None:
    await process.store.put(Document(kind=kind, id="torn", body={"torn": True}))
    await look(process.context)
