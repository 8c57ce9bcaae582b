"""The assessment: figures that come in time or are named as missing, and what may begin."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.assessment import assess, declare
from bot.core.errors import DuplicateRequestError, RefusedError, TemporaryError
from bot.engine import releases
from bot.incident.assessment import Assessment, Draft, VerdictKind
from tests.company.deeds import DECISION, planned
from tests.company.harness import Company, Process, catalog_of
from tests.company.shop import BAD, GOOD, HANG

IMPATIENT = catalog_of({"assessment": {"patience": "50ms"}})


async def _begin(process: Process, service: str = "checkout", by: str = "ana") -> Draft:
    return await assess.begin(
        process.context,
        draft_id=assess.new_draft_id(),
        service=service,
        actor=process.company.actor(by),
        asked_in=process.company.ops.id,
    )


async def test_the_draft_is_filled_with_what_is_measured_now(company: Company) -> None:
    process = await company.process(sends=False)
    draft = await _begin(process)
    figures = draft.figures
    assert figures is not None
    assert (figures.error_rate, figures.requests) == (0.2, 1200)
    assert (figures.current_release, figures.previous_release) == (BAD, GOOD)
    assert figures.baseline_error_rate == 0
    assert figures.problems == ()
    assert await assess.load(process.context, draft.id) == draft


@pytest.mark.parametrize(
    ("point", "problem"),
    [
        ("observe", "The cluster did not answer within 0.05 s."),
        ("series", "The metrics source did not answer within 0.05 s."),
    ],
)
async def test_a_source_that_is_too_slow_leaves_a_gap_that_is_named(
    company: Company, point: str, problem: str
) -> None:
    company.shop.script[point] = [HANG]
    process = await company.process(catalog=IMPATIENT, sends=False)
    figures = (await _begin(process)).figures
    assert figures is not None
    assert problem in figures.problems
    if point == "series":
        assert figures.error_rate is None
        assert figures.current_release == BAD
    else:
        assert figures.error_rate == 0.2
        assert figures.current_release is None


async def test_a_source_that_fails_leaves_a_gap_that_is_named(company: Company) -> None:
    company.shop.script["series"] = [TemporaryError("The recorder is down.")] * 2
    process = await company.process(sends=False)
    figures = (await _begin(process)).figures
    assert figures is not None
    assert figures.error_rate is None
    assert "The recorder is down." in figures.problems


async def test_what_could_not_be_measured_is_never_taken_for_healthy(company: Company) -> None:
    company.shop.script["series"] = [TemporaryError("The recorder is down.")] * 2
    process = await company.process(sends=False)
    draft = await _begin(process)
    assert draft.figures is not None
    filled = Assessment(service="checkout", figures=draft.figures)
    judged = await assess.submit(process.context, draft.id, filled)
    assert judged.verdict is not None
    assert judged.verdict.kind is VerdictKind.DISCUSS


async def test_a_release_that_was_withdrawn_is_not_offered_as_the_way_back(
    company: Company,
) -> None:
    process = await company.process(sends=False)
    await releases.mark(process.context, "checkout", GOOD, "bad", "INC-2026-000")
    figures = (await _begin(process)).figures
    assert figures is not None
    assert figures.previous_release is None


async def test_a_form_whose_draft_is_gone_says_what_to_do(company: Company) -> None:
    process = await company.process(sends=False)
    with pytest.raises(RefusedError, match="no longer open") as refused:
        await assess.load(process.context, "unknown")
    assert refused.value.remedy == "Type `/rollback` again."


async def test_a_draft_is_forgotten_after_half_a_day(company: Company) -> None:
    hours = catalog_of({"assessment": {"watch_every": "6h"}})
    process = await company.process(catalog=hours, sends=False, reconcile=timedelta(hours=1))
    draft = await _begin(process)
    await company.clock.advance(11 * 3600)
    await process.store.prune(now=company.clock.now(), keep_scrapes=timedelta(days=2))
    assert await assess.load(process.context, draft.id)
    await company.clock.advance(3601)
    await process.store.prune(now=company.clock.now(), keep_scrapes=timedelta(days=2))
    with pytest.raises(RefusedError):
        await assess.load(process.context, draft.id)


async def test_a_second_incident_is_refused_with_the_way_to_the_first(company: Company) -> None:
    process = await company.process(sends=False)
    incident = await planned(process)
    assert incident.channel is not None
    with pytest.raises(RefusedError, match=incident.id) as refused:
        await _begin(process, by="ben")
    assert f"<#{incident.channel.channel_id}>" in refused.value.remedy
    await _begin(process, "search", by="ben")


async def test_an_unknown_service_is_refused_with_the_known_ones(company: Company) -> None:
    process = await company.process(sends=False)
    with pytest.raises(RefusedError, match="no service “chekout”") as refused:
        await _begin(process, "chekout")
    assert "checkout, payments, search" in refused.value.remedy


async def test_where_requesters_are_named_others_may_not_begin(company: Company) -> None:
    people = {"release_managers": ["U0BEN000002"], "requesters": ["ana@example.com"]}
    process = await company.process(catalog=catalog_of({"people": people}), sends=False)
    await _begin(process, by="ana")
    with pytest.raises(RefusedError, match="may not declare"):
        await _begin(process, by="eve")


async def test_a_draft_is_declared_once(company: Company) -> None:
    process = await company.process(sends=False)
    draft = await _begin(process)
    assert draft.figures is not None

    async def submit(request: str) -> None:
        await declare.declare(
            process.context,
            draft_id=draft.id,
            decision=DECISION,
            actor=company.actor("ana"),
            target_release=None,
            request_id=request,
        )

    with pytest.raises(RefusedError, match="not complete"):
        await submit("view/1")
    filled = Assessment(service="checkout", figures=draft.figures)
    await assess.submit(process.context, draft.id, filled)
    await submit("view/1")
    # A redelivery may come with another view id; the draft is the same.
    with pytest.raises(DuplicateRequestError):
        await submit("view/2")
