"""Everybody who should know is told, each by a destination that fails alone."""

from __future__ import annotations

import html
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from bot.communication import external
from bot.core.errors import RefusedError
from bot.incident.state import Incident, OutsideState, Phase
from bot.paperwork import conclude
from bot.store.delivery import DeliveryState
from sandbox.statuspage.server import Fault
from tests.company.deeds import approved, declare, history, planned
from tests.company.harness import Company, Process
from tests.company.outside import Outside, opened
from tests.company.shop import BAD, GOOD, Traffic

RECOVERED = ["investigating", "identified", "monitoring", "resolved"]


@pytest.fixture
async def outside(company: Company) -> AsyncIterator[Outside]:
    async with opened(company) as everybody:
        yield everybody


async def _judged(process: Process, incident: Incident) -> Incident:
    await approved(process, incident)
    company = process.company
    await company.until(incident, lambda i: i.judged)
    await company.clock.settle()
    return company.incidents[incident.id]


async def _failed(process: Process, incident: Incident) -> list[str]:
    rows = await process.store.deliveries(incident.id)
    return [r.delivery.id for r in rows if r.state in {DeliveryState.FAILED, DeliveryState.OWED}]


def _card(company: Company, incident: Incident) -> str:
    """The status card as it stands."""
    opened_in = company.incidents[incident.id].channel
    assert opened_in is not None
    channel = company.slack.workspace.channel(opened_in.channel_id)
    (card,) = [m for m in company.messages(channel) if _delivery(m).endswith("/status")]
    return company.slack.workspace.render(card)


def _delivery(message: Any) -> str:
    return str(((message.metadata or {}).get("event_payload") or {}).get("id", ""))


def _text(letter: Any, kind: str = "plain") -> str:
    part = letter.message.get_body((kind,))
    return " ".join(part.get_content().split())


async def test_a_journey_is_told_to_customers_and_stakeholders_in_their_own_words(
    outside: Outside,
) -> None:
    process = await outside.process()
    incident = await _judged(process, await planned(process))
    assert outside.page_said() == [RECOVERED]
    (shown,) = outside.statuspage.page.incidents.values()
    for update in shown["incident_updates"]:
        assert BAD not in update["body"]
        assert GOOD not in update["body"]
    (letter,) = outside.letters("news@lists.example")
    said = _text(letter)
    assert letter.message["Subject"] == "Service issue resolved: checkout"
    assert "from 12:00 UTC to 12:0" in said
    assert said.endswith("The Shop team")
    assert BAD not in letter.raw.decode()
    subjects = [one.message["Subject"] for one in outside.letters("board@shop.example")]
    assert "initiating" not in subjects[0]
    assert subjects[0].startswith(f"[{incident.id}, Critical (P0)]")
    assert "recovered" in subjects[-1].lower()
    last = _text(outside.letters("board@shop.example")[-1])
    assert f"Release: {BAD} → {GOOD}" in last
    assert "Data lost: None" in last
    assert await _failed(process, incident) == []


async def test_the_receipts_stand_on_the_status_card(outside: Outside) -> None:
    process = await outside.process()
    incident = await _judged(process, await planned(process))
    card = _card(outside.company, incident)
    assert "status page public: resolved — receipt inc000000001" in card
    assert "e-mail customers: resolved — receipt <rollback-bot." in html.unescape(card)
    told = (await history(process, incident)).count("told")
    assert told == 4 + 1 + len(outside.letters("board@shop.example"))


async def test_customers_hear_nothing_of_an_incident_that_is_not_for_them(
    outside: Outside,
) -> None:
    catalog = outside.catalog()
    quiet = {
        name: one.model_copy(update={"severities": frozenset({"Low"})})
        for name, one in catalog.destinations.items()
    }
    process = await outside.process(catalog.model_copy(update={"destinations": quiet}))
    incident = await _judged(process, await planned(process))
    assert outside.page_said() == []
    assert outside.mail.letters == []
    assert "external_sent" not in await history(process, incident)


async def test_a_dead_status_page_stops_nobody_else_and_is_told_everything_once_it_is_back(
    outside: Outside,
) -> None:
    outside.statuspage.faults.extend(Fault(status=503) for _ in range(8))
    process = await outside.process()
    incident = await _judged(process, await planned(process))
    board = [one.message["Subject"] for one in outside.letters("board@shop.example")]
    assert len(board) >= 2
    assert "Statuspage “public” answered HTTP 503" in _card(outside.company, incident)
    await outside.company.clock.advance(300)
    assert outside.page_said() == [RECOVERED]
    assert "HTTP 503" not in _card(outside.company, incident)
    assert await _failed(process, incident) == []


async def test_after_a_first_message_that_failed_for_good_the_next_one_opens_the_incident(
    outside: Outside,
) -> None:
    outside.statuspage.faults.append(Fault(status=422, error="Not now"))
    process = await outside.process()
    incident = await planned(process)
    card = _card(outside.company, incident)
    assert "Not now" in card
    assert "tell customers by hand" in card
    await _judged(process, incident)
    assert outside.page_said() == [RECOVERED[1:]]
    assert "Not now" not in _card(outside.company, incident)


async def test_an_answer_that_was_lost_doubles_nothing_on_the_page(outside: Outside) -> None:
    outside.statuspage.faults.append(Fault(status=502, takes_effect=True))
    outside.statuspage.faults.append(Fault(status=502, takes_effect=True, method="PATCH"))
    process = await outside.process()
    await _judged(process, await planned(process))
    assert outside.page_said() == [RECOVERED]


@pytest.mark.parametrize("number", [2, 5])
async def test_killed_between_two_calls_everything_is_told_once(
    outside: Outside, number: int
) -> None:
    process = await outside.process()
    process.life.die_at("before append", number)
    incident = await declare(process)
    await outside.company.clock.run_until(lambda: not process.life.alive)
    await process.kill()
    heir = await outside.process()
    await outside.company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    await _judged(heir, incident)
    await outside.company.clock.advance(120)
    assert outside.page_said() == [RECOVERED]
    assert len(outside.letters("news@lists.example")) == 1


async def test_without_proof_customers_are_never_told_that_it_is_over(outside: Outside) -> None:
    process = await outside.process()
    company = outside.company
    company.shop.after = Traffic(since=company.clock.now(), per_second=0, error_rate=0.0)
    incident = await _judged(process, await planned(process))
    assert incident.phase is Phase.INCONCLUSIVE
    assert outside.page_said() == [RECOVERED[:-1]]
    assert outside.letters("news@lists.example") == []


async def test_errors_that_go_on_are_said_to_go_on(outside: Outside) -> None:
    company = outside.company
    company.shop.after = Traffic(since=company.clock.now(), per_second=10, error_rate=0.2)
    process = await outside.process()
    await _judged(process, await planned(process))
    (shown,) = outside.statuspage.page.incidents.values()
    assert outside.page_said() == [[*RECOVERED[:-1], "investigating"]]
    assert "have not fully resolved" in shown["incident_updates"][0]["body"]


async def test_every_update_is_mailed_on_its_minute_and_none_where_none_is_wanted(
    outside: Outside,
) -> None:
    process = await outside.process(outside.catalog(updates={"every": "2m"}))
    await declare(process)
    await outside.company.clock.advance(7 * 60)
    mailed = outside.letters("board@shop.example")
    numbers = [one for one in mailed if "Update " in _text(one)]
    assert [one.message["Date"].datetime.minute for one in numbers] == [2, 4, 6]
    assert outside.letters("news@lists.example") == []


# -- held by a person -----------------------------------------------------------------------------


async def _held(outside: Outside) -> tuple[Process, Incident]:
    """An incident with a plan, whose messages to customers Ben holds."""
    process = await outside.process()
    incident = await planned(process)
    ben = outside.company.actor("ben")
    await external.hold(process.context, incident.id, actor=ben, request_id="click/hold")
    return process, incident


async def test_held_messages_wait_for_a_word_and_internal_ones_do_not(outside: Outside) -> None:
    process, incident = await _held(outside)
    incident = await _judged(process, incident)
    assert outside.page_said() == [["investigating"]]
    assert outside.letters("news@lists.example") == []
    assert len(outside.letters("board@shop.example")) >= 2
    states = [(o.message.value, o.state) for o in incident.outside[1:]]
    assert states == [
        ("identified", OutsideState.LAPSED),
        ("monitoring", OutsideState.LAPSED),
        ("resolved", OutsideState.WAITING),
    ]


async def test_a_draft_that_is_sent_goes_everywhere_in_its_own_words(outside: Outside) -> None:
    process, incident = await _held(outside)
    incident = await _judged(process, incident)
    number = incident.outside[-1].number
    words = "<b>We are sorry.</b>\nPayments work again since noon."
    await external.send(
        process.context,
        incident.id,
        number,
        actor=outside.company.actor("ben"),
        request_id="view/2",
        text=words,
    )
    await outside.company.clock.settle()
    (shown,) = outside.statuspage.page.incidents.values()
    assert shown["incident_updates"][0]["body"] == words
    (letter,) = outside.letters("news@lists.example")
    assert "Payments work again since noon." in _text(letter)
    assert "&lt;b&gt;We are sorry.&lt;/b&gt;<br>" in _text(letter, "html")
    with pytest.raises(RefusedError, match=r"already sent by"):
        await external.discard(
            process.context,
            incident.id,
            number,
            actor=outside.company.actor("carla"),
            request_id="click/3",
        )


async def test_a_discarded_draft_is_never_sent_and_later_ones_still_wait(
    outside: Outside,
) -> None:
    process, incident = await _held(outside)
    company, ben = outside.company, outside.company.actor("ben")
    await approved(process, incident)
    incident = company.incidents[incident.id]
    (draft,) = [o for o in incident.outside if o.state is OutsideState.WAITING]
    await external.discard(
        process.context, incident.id, draft.number, actor=ben, request_id="click/1"
    )
    await external.free(process.context, incident.id, actor=ben, request_id="click/2")
    await company.until(incident, lambda i: i.judged)
    await company.clock.settle()
    assert outside.page_said() == [["investigating", "monitoring", "resolved"]]


async def test_strangers_are_told_who_speaks_to_customers(outside: Outside) -> None:
    process = await outside.process()
    incident = await planned(process)
    with pytest.raises(RefusedError, match="Ask ben") as caught:
        await external.hold(
            process.context,
            incident.id,
            actor=outside.company.actor("ana"),
            request_id="click/1",
        )
    assert "Communication Coordinator" in caught.value.what


async def test_resolved_is_not_sent_once_its_proof_is_gone(outside: Outside) -> None:
    process, incident = await _held(outside)
    incident = await _judged(process, incident)
    ben = outside.company.actor("ben")
    await conclude.request_verification(
        process.context, incident.id, actor=ben, request_id="click/again"
    )
    with pytest.raises(RefusedError, match="not proven any more"):
        await external.send(
            process.context,
            incident.id,
            incident.outside[-1].number,
            actor=ben,
            request_id="click/send",
        )
    await outside.company.clock.advance(timedelta(minutes=1).total_seconds())
    assert outside.page_said() == [["investigating"]]
