"""What falls due with time: updates, escalation, expiry."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.core.errors import PermanentError
from bot.incident import events as e
from bot.incident.state import Incident, Phase
from bot.paperwork import conclude
from tests.company.deeds import CONCLUSION, approved, declare, history, planned
from tests.company.harness import SERVICES, Company, Process, catalog_of

TEN = timedelta(minutes=10)
STAKEHOLDERS = {"updates": {"every": "1m", "channels": ["status", "gone"]}}


def _no_plan(company: Company, times: int) -> None:
    """Incidents whose planning has failed are open and quiet."""
    company.shop.script["plan"] = [PermanentError("Nowhere to go.")] * times


async def _quiet(process: Process, service: str = "checkout") -> Incident:
    incident = await declare(process, service)
    return await process.company.until(incident, lambda i: i.phase is Phase.PLANNING_FAILED)


async def _updates(process: Process, incident: Incident) -> list[tuple[int, datetime]]:
    return [
        (recorded.event.number, recorded.at)
        for recorded in await process.journal.events(incident.id)
        if isinstance(recorded.event, e.UpdatePosted)
    ]


def _on_the_beat(
    incident: Incident, count: int, every: timedelta = TEN
) -> list[tuple[int, datetime]]:
    return [(number, incident.opened_at + number * every) for number in range(1, count + 1)]


@pytest.mark.parametrize(
    ("every", "life"),
    [(TEN, timedelta(days=1)), (timedelta(hours=1), timedelta(days=7))],
    ids=["a day of ten minutes", "a week of hours"],
)
async def test_every_update_comes_on_the_minute_across_restarts(
    company: Company, every: timedelta, life: timedelta
) -> None:
    _no_plan(company, 1)
    # Nothing else reminds it: the timers alone keep the rhythm.
    options: dict[str, Any] = {
        "catalog": catalog_of({"updates": {"every": every}, "assessment": {"watch_every": "6h"}}),
        "sends": False,
        "reconcile": timedelta(days=30),
    }
    process = await company.process(**options)
    incident = await _quiet(process)
    for restart in range(7):
        moment = incident.opened_at + life / 7 * restart + timedelta(minutes=33)
        await company.clock.advance_to(moment)
        await (process.kill() if restart % 2 else process.stop())
        process = await company.process(**options)
    await company.clock.advance_to(incident.opened_at + life)
    assert await _updates(process, incident) == _on_the_beat(incident, life // every, every)


async def test_two_processes_and_three_incidents_keep_every_beat_once(company: Company) -> None:
    _no_plan(company, 3)
    rare = timedelta(minutes=7)
    first = await company.process(sends=False, reconcile=rare)
    other = await company.process(sends=False, reconcile=rare)
    incidents = []
    for service in SERVICES:
        incidents.append(await _quiet(first, service))
        await company.clock.advance(97)
    await company.clock.advance(3600)
    await first.kill()
    await company.clock.advance(3600)
    await company.process(sends=False, reconcile=rare)
    await company.clock.advance(3600)
    for incident in incidents:
        passed = (company.clock.now() - incident.opened_at) // TEN
        assert await _updates(other, incident) == _on_the_beat(incident, passed)
        rows = [
            row for row in await other.store.deliveries(incident.id) if "/update" in row.delivery.id
        ]
        assert len(rows) == passed


@pytest.mark.parametrize("survivor", [0, 1])
async def test_whichever_of_two_processes_survives_keeps_the_rhythm_by_itself(
    company: Company, survivor: int
) -> None:
    _no_plan(company, 1)
    never = timedelta(days=30)
    incident = await _quiet(await company.process(sends=False, reconcile=never))
    await company.process(sends=False, reconcile=never)
    await company.clock.advance(25 * 60)
    await company.processes[1 - survivor].kill()
    await company.clock.advance(30 * 60)
    updates = await _updates(company.processes[survivor], incident)
    assert updates == _on_the_beat(incident, 5)


async def test_beats_missed_while_the_bot_was_down_give_one_update_and_the_rhythm_goes_on(
    company: Company,
) -> None:
    _no_plan(company, 1)
    process = await company.process(sends=False)
    incident = await _quiet(process)
    await company.clock.advance(11 * 60)
    await process.kill()
    await company.clock.advance(34 * 60)
    process = await company.process(sends=False)
    await company.clock.advance(6 * 60)
    minutes = [
        (at - incident.opened_at) / timedelta(minutes=1)
        for _, at in await _updates(process, incident)
    ]
    assert minutes == [10, 45, 50]


async def test_updates_end_when_the_incident_is_resolved(company: Company) -> None:
    _no_plan(company, 1)
    process = await company.process(sends=False)
    incident = await _quiet(process)
    await company.clock.advance(25 * 60)
    await conclude.resolve(
        process.context,
        incident.id,
        conclusion=CONCLUSION,
        actor=company.actor("ana"),
        request_id="view/1",
    )
    await company.clock.advance(3600)
    assert len(await _updates(process, incident)) == 2
    kinds = await history(process, incident)
    assert kinds[-3:] == ["resolved", "post_mortem_scheduled", "report_published"]


async def test_no_update_is_owed_before_there_is_a_channel(company: Company) -> None:
    _no_plan(company, 1)
    company.slack.faults.server_error("conversations.create", times=None)
    process = await company.process(sends=False)
    incident = await declare(process)
    await company.clock.advance(25 * 60)
    assert await _updates(process, incident) == []
    company.slack.faults.clear()
    await company.until(incident, lambda i: i.updates == 1)
    assert company.clock.now() - incident.opened_at < timedelta(minutes=27)


async def test_peoples_words_go_out_once_with_the_next_update(company: Company) -> None:
    _no_plan(company, 1)
    often = catalog_of({"updates": {"every": "1m"}})
    process = await company.process(catalog=often)
    incident = await _quiet(process)
    await conclude.add_words(
        process.context,
        incident.id,
        text="The payment partner was told.",
        actor=company.actor("ana"),
        request_id="view/1",
    )
    await company.clock.advance(125)
    channel = company.incidents[incident.id].channel
    assert channel is not None
    updates = [text for text in company.said(channel.channel_id) if "*Update " in text]
    assert ["The payment partner was told." in text for text in updates] == [True, False]


async def test_a_dead_stakeholder_channel_keeps_no_update_from_the_others(
    company: Company,
) -> None:
    _no_plan(company, 1)
    company.slack.workspace.add_channel("status", with_bot=True)
    gone = company.slack.workspace.add_channel("gone", with_bot=True)
    company.slack.workspace.archive(gone)
    process = await company.process(catalog=catalog_of(STAKEHOLDERS))
    incident = await _quiet(process)
    state = await company.until(incident, lambda i: i.updates == 2)
    await company.clock.advance(5)
    updates = [text for text in company.said("status") if "*Update " in text]
    assert len(updates) == 2
    assert company.messages("gone") == []
    (note,) = [n for n in company.incidents[state.id].notes if n.subject == "post to gone"]
    assert "is_archived" in note.what
    assert "unarchive" in note.remedy


# -- the approval's own clock ---------------------------------------------------------------------


async def test_after_five_minutes_the_on_call_leads_are_asked(company: Company) -> None:
    process = await company.process()
    incident = await planned(process)
    state = await company.until(incident, lambda i: i.escalated_at)
    assert state.proposed_at is not None
    assert state.escalated_at == state.proposed_at + timedelta(minutes=5)
    await company.clock.advance(3)
    assert state.channel is not None
    shown = "\n".join(company.said(state.channel.channel_id))
    assert "On-call leads may approve as well now." in shown
    assert "From 12:05" not in shown
    await approved(process, incident, "dan")
    assert company.incidents[incident.id].approved_at is not None


async def test_after_thirty_minutes_the_plan_expires_and_a_new_one_is_made(
    company: Company,
) -> None:
    process = await company.process(sends=False)
    incident = await planned(process)
    old = company.incidents[incident.id]
    await company.until(incident, lambda i: i.proposed_at and i.proposed_at != old.proposed_at)
    state = company.incidents[incident.id]
    assert old.proposed_at is not None
    assert state.proposed_at == old.proposed_at + timedelta(minutes=30)
    kinds = await history(process, incident)
    assert kinds.count("plan_expired") == 1
    assert kinds.count("approval_escalated") == 1
    # The clock starts anew: five minutes later the leads are asked again.
    await company.until(incident, lambda i: i.escalated_at)
    assert company.clock.now() == state.proposed_at + timedelta(minutes=5)


async def test_an_approved_plan_does_not_expire(company: Company) -> None:
    process = await company.process(sends=False)
    incident = await planned(process)
    await approved(process, incident)
    await company.clock.advance(3600)
    kinds = await history(process, incident)
    assert "plan_expired" not in kinds
    assert "approval_escalated" not in kinds
