"""Recording owes messages and cards; they are drawn when they are sent."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any, cast

import pytest

from bot.approval import approve
from bot.communication import blocks, external
from bot.communication.announcer import Announcer
from bot.core.errors import PermanentError
from bot.engine.journal import Journal, Moment
from bot.entry.assembly import MESSAGES
from bot.execution import execute
from bot.incident import events as e
from bot.incident.fold import fold
from bot.incident.state import Incident, Phase
from bot.paperwork import conclude
from bot.store.delivery import Action, Delivery, DeliveryState, Source
from sandbox.slack.base.model import Message
from tests.company.deeds import CONCLUSION, approved, declare, planned
from tests.company.harness import Company, Process, catalog_of
from tests.company.shop import HANG

STATUS = {"updates": {"channels": ["status"]}}
HOOK = {"destinations": {"hook": {"kind": "webhook", "url": "http://hook.example.com"}}}


def _owed_by(message: Message) -> str:
    return str(((message.metadata or {}).get("event_payload") or {}).get("id", ""))


def _in_channel(company: Company, incident: Incident, purpose: str) -> list[str]:
    """What messages of this purpose say in the incident's channel, oldest first."""
    opened = company.incidents[incident.id].channel
    assert opened is not None
    channel = company.slack.workspace.channel(opened.channel_id)
    found = [m for m in company.messages(channel) if purpose in _owed_by(m)]
    return [company.slack.workspace.render(one) for one in found]


class Still:
    """A journal that knows an incident in one state only."""

    def __init__(self, state: Incident) -> None:
        self.state = state

    async def load(self, incident_id: str) -> Incident:
        return self.state

    async def moment(self, incident_id: str, event: int, state: int) -> Moment:
        last = e.Noted(subject="", what="")
        return Moment(number=event, event=last, words=(), after=self.state)


async def _cards(process: Process, state: Incident, names: set[str]) -> dict[str, object]:
    """Every card that exists in a state, as it looks then."""
    found: dict[str, object] = {}
    for name in names:
        card = Delivery(
            id=name,
            incident_id=state.id,
            destination="slack:C1",
            action=Action.CARD,
            card=name,
            source=Source(event=state.seq, state=state.seq),
        )
        try:
            drawn = await process.announcer.draw(card, cast("Journal", Still(state)))
        except PermanentError:
            continue
        found[name] = drawn.payload
    return found


async def _forgotten(process: Process, incident: Incident) -> list[tuple[int, str]]:
    """Cards that look different after what was recorded, and are owed to nobody."""
    recorded = await process.journal.events(incident.id)
    rows = [r for r in await process.store.deliveries(incident.id) if r.delivery.card]
    owed = {(r.delivery.source.state, r.delivery.card) for r in rows if r.delivery.source}
    names = {name for _, name in owed}
    # Every decision in an incident with a channel owes the status card.
    ends = sorted({state for state, name in owed if name == "status"})
    states = [fold(incident.id, recorded[:end]) for end in ends]
    missing = []
    for before, after in pairwise(states):
        old = await _cards(process, before, names)
        new = await _cards(process, after, names)
        changed = {name for name, card in new.items() if old.get(name) != card}
        missing += [(after.seq, name) for name in changed if (after.seq, name) not in owed]
    return missing


# -- no card is forgotten -------------------------------------------------------------------------


async def test_no_card_is_forgotten_from_the_plan_to_the_report_and_an_undo(
    company: Company,
) -> None:
    process = await company.process(sends=False)
    ana, ben = company.actor("ana"), company.actor("ben")
    incident = await planned(process)
    first = (await company.until(incident, lambda i: i.escalated_at)).proposed_at
    await company.until(incident, lambda i: i.proposed_at != first)
    await approved(process, incident)
    await company.until(incident, lambda i: i.judged)
    await execute.request_undo(process.context, incident.id, actor=ana, request_id="click/1")
    state = await company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    assert state.plan is not None
    await approve.reject(
        process.context, incident.id, plan_hash=state.plan.hash, actor=ben, reason="It works."
    )
    await conclude.resolve(
        process.context, incident.id, conclusion=CONCLUSION, actor=ana, request_id="view/1"
    )
    await company.until(incident, lambda i: i.report)
    await company.clock.advance(600)
    assert await _forgotten(process, incident) == []


async def test_no_card_is_forgotten_where_a_run_is_steered_and_planned_again(
    company: Company,
) -> None:
    company.shop.script["confirm switch"] = [HANG]
    process = await company.process(sends=False)
    ana, ben = company.actor("ana"), company.actor("ben")
    incident = await planned(process)
    await company.clock.advance(30)
    await approve.request_plan(
        process.context, incident.id, actor=ana, target="v1.9.0", request_id="view/1"
    )
    await company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    await approved(process, incident)
    await company.clock.run_until(lambda: company.shop.calls("confirm switch"))
    for kind in (e.PauseRequested, e.ResumeRequested, e.PauseRequested, e.AbortRequested):
        await execute.steer(process.context, incident.id, kind(by=ben), request_id="")
        await company.clock.advance(5)
    company.shop.release("confirm switch")
    await company.until(incident, lambda i: i.phase is Phase.STOPPED)
    await company.clock.advance(30)
    await approve.request_plan(
        process.context, incident.id, actor=ana, target=None, request_id="view/2"
    )
    await company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    await company.clock.advance(600)
    assert await _forgotten(process, incident) == []


async def test_no_card_is_forgotten_while_customers_messages_are_held(company: Company) -> None:
    process = await company.process(catalog=catalog_of(HOOK), sends=False)
    ben = company.actor("ben")
    incident = await declare(process)
    await company.until(incident, lambda i: i.channel)
    await external.hold(process.context, incident.id, actor=ben, request_id="click/1")
    await company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    await approved(process, incident, "carla")
    state = await company.until(incident, lambda i: i.external_drafts)
    [draft] = [o for o in state.outside if o.message in state.external_drafts]
    await external.send(
        process.context, incident.id, draft.number, actor=ben, request_id="click/2", text="Soon."
    )
    await company.until(incident, lambda i: i.judged)
    await external.free(process.context, incident.id, actor=ben, request_id="click/3")
    await company.clock.advance(600)
    assert {o.number for o in company.incidents[incident.id].outside} >= {1, 2, 3}
    assert await _forgotten(process, incident) == []


# -- what is drawn, and when ----------------------------------------------------------------------


async def test_recording_draws_nothing(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    process = await company.process(catalog=catalog_of(STATUS), sends=False)
    drawn: list[str] = []
    made = blocks.Message.__init__

    def draw(self: blocks.Message, **fields: Any) -> None:
        drawn.append(fields["text"])
        made(self, **fields)

    monkeypatch.setattr(blocks.Message, "__init__", draw)
    incident = await planned(process)
    await approved(process, incident)
    await company.until(incident, lambda i: i.judged)
    rows = await process.store.deliveries(incident.id)
    owed = [row.delivery for row in rows if row.delivery.source]
    kinds = {one.card.partition("-")[0] for one in owed}
    assert kinds == {"", "status", "plan", "progress", "recovery"}
    assert all(one.payload == {} for one in owed)
    assert drawn == []
    (update, *_) = [one for one in owed if one.id.endswith("/judged")]
    await process.told(update)
    assert len(drawn) == 1


async def test_a_message_says_what_was_known_when_its_event_was_recorded(
    company: Company,
) -> None:
    process = await company.process(sends=False)
    incident = await declare(process)
    await company.until(incident, lambda i: i.updates == 1)
    waiting = company.incidents[incident.id]
    await approved(process, incident)
    await company.until(incident, lambda i: i.judged)
    await process.stop()
    await company.process()
    await company.clock.advance(60)
    (first, *_) = _in_channel(company, incident, "/update")
    assert waiting.phase is Phase.AWAITING_APPROVAL
    assert "A release manager presses" in first
    (card,) = _in_channel(company, incident, "/status")
    assert "A release manager presses" not in card


async def test_a_card_of_an_earlier_plan_stays_as_it_ended(company: Company) -> None:
    process = await company.process(sends=False)
    incident = await planned(process)
    await company.clock.advance(30)
    await approve.request_plan(
        process.context,
        incident.id,
        actor=company.actor("ana"),
        target="v1.9.0",
        request_id="view/1",
    )
    await company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    await process.stop()
    await company.process()
    await company.clock.advance(30)
    first, second = _in_channel(company, incident, "/plan-")
    assert "Set aside" in first
    assert "Safe to run" in second


async def test_a_card_that_looks_the_same_is_not_sent_again_even_after_a_restart(
    company: Company,
) -> None:
    process = await company.process()
    incident = await planned(process)
    await company.clock.advance(10)
    seen = company.calls("chat.update"), company.calls("chat.postMessage")

    async def says(process: Process, number: int) -> None:
        await conclude.add_words(
            process.context,
            incident.id,
            text="We look into it.",
            actor=company.actor("ana"),
            request_id=f"view/{number}",
        )
        await company.clock.advance(10)

    await says(process, 1)
    await process.stop()
    process = await company.process()
    await says(process, 2)
    assert (company.calls("chat.update"), company.calls("chat.postMessage")) == seen
    rows = await process.store.deliveries(incident.id)
    assert {row.state for row in rows} <= {DeliveryState.SENT, DeliveryState.LAPSED}
    await process.journal.add(incident.id, e.Noted(subject="test", what="Something changed."))
    await company.clock.advance(10)
    assert company.calls("chat.update") == seen[0] + 1
    assert "Something changed." in _in_channel(company, incident, "/status")[0]


async def test_what_is_owed_to_a_channel_arrives_when_the_catalog_names_it_no_more(
    company: Company,
) -> None:
    company.slack.workspace.add_channel("status", with_bot=True)
    process = await company.process(catalog=catalog_of(STATUS), sends=False)
    incident = await planned(process)
    await process.stop()
    await company.process()
    await company.clock.advance(30)
    (told,) = company.messages("status")
    assert "initiating rollback of checkout" in told.text
    assert company.incidents[incident.id].notes == ()


def test_an_event_that_two_parts_have_messages_for_is_an_error_at_the_start() -> None:
    with pytest.raises(ValueError, match=r"Two tables have messages for: FreezeSet\."):
        Announcer(catalog_of(), [*MESSAGES, {e.FreezeSet: lambda event, to: None}])


def test_every_kind_of_event_is_handled_once() -> None:
    counted = Counter(kind for table in MESSAGES for kind in table)
    assert max(counted.values()) == 1
    assert len(counted) == 18
