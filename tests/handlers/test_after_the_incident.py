"""The last form and what comes after it, as people fill and click it over signed HTTP."""

from __future__ import annotations

from datetime import datetime

from bot.communication import ids
from bot.core.errors import TemporaryError
from bot.incident.events import ActionAsked
from bot.incident.state import Incident
from sandbox.slack.base.model import Message
from tests.company.deeds import history, planned
from tests.handlers.conftest import Front

ENDING = {
    ids.ROOT_CAUSE: "A price without a currency",
    ids.ACTIONS: "Test two currencies @ana 2026-03-20\nAlert on refunds",
    ids.FOLLOW_UP: "Hotfix",
}


async def _button(front: Front, incident: Incident, action_id: str) -> Message:
    await front.company.clock.advance(10)
    channel = front.company.incidents[incident.id].channel
    assert channel is not None
    messages = front.company.messages(channel.channel_id)
    return [m for m in messages if f"'action_id': '{action_id}'" in str(m.blocks)][-1]


async def _resolve_form(front: Front) -> Incident:
    incident = await planned(front.process)
    front.company.shop.script["series"] = [TemporaryError("No figures.")] * 20
    card = await _button(front, incident, ids.OPEN_RESOLVE)
    await front.person("ana").press(card, ids.OPEN_RESOLVE)
    return incident


async def _resolved(front: Front) -> Incident:
    incident = await _resolve_form(front)
    assert (await front.person("ana").fill_and_submit(ENDING)).ok
    return await front.company.until(incident, lambda i: i.report)


async def test_actions_are_taken_with_who_and_by_when(front: Front) -> None:
    incident = await _resolved(front)
    assert incident.conclusion is not None
    spoken = [action.spoken for action in incident.conclusion.corrective_actions]
    assert spoken == ["Test two currencies (ana, by 2026-03-20)", "Alert on refunds"]


async def test_a_line_that_cannot_be_understood_is_explained_and_nothing_typed_is_lost(
    front: Front,
) -> None:
    incident = await _resolve_form(front)
    ana = front.person("ana")
    result = await ana.fill_and_submit({**ENDING, ids.ACTIONS: "Test it\nAlert 20.03.2026"})
    assert result.errors == {
        ids.ACTIONS: "Line 2: write the day “20.03.2026” as year-month-day, like 2026-03-16."
    }
    assert ana.view is not None
    assert front.company.incidents[incident.id].is_open
    assert (await ana.fill_and_submit({ids.ACTIONS: "Test it"})).ok


async def test_a_form_that_is_refused_keeps_what_was_typed(front: Front) -> None:
    await _resolve_form(front)
    front.process.store.fail_next(TemporaryError("The store is busy.", "Try again."), times=1)
    ana = front.person("ana")
    result = await ana.fill_and_submit(ENDING)
    assert "The store is busy." in result.errors[ids.ROOT_CAUSE]
    assert (await ana.submit()).ok


async def test_a_done_action_is_done_once_for_whoever_presses_it(front: Front) -> None:
    incident = await _resolved(front)
    await front.process.journal.add(incident.id, ActionAsked(index=1))
    question = await _button(front, incident, ids.ACTION_DONE)
    front.company.slack.faults.duplicate_next(3)
    assert (await front.person("ben").press(question, ids.ACTION_DONE)).ok
    await front.company.clock.settle()
    states = front.company.incidents[incident.id].actions
    assert [index for index, state in states.items() if state.done_at] == [1]
    assert (await history(front.process, incident)).count("action_done") == 1


async def test_the_meeting_is_moved_in_its_own_time_zone(front: Front) -> None:
    incident = await _resolved(front)
    invitation = await _button(front, incident, ids.OPEN_MOVE_MEETING)
    ben = front.person("ben")
    await ben.press(invitation, ids.OPEN_MOVE_MEETING)
    assert "Time in UTC" in await front.modal("ben")
    result = await ben.fill_and_submit({ids.MEETING_DAY: "2026-03-01", ids.MEETING_TIME: "10:00"})
    assert "This time is over." in result.errors[ids.MEETING_TIME]
    assert (await ben.fill_and_submit({ids.MEETING_DAY: "2026-03-06"})).ok
    meeting = front.company.incidents[incident.id].post_mortem
    assert meeting is not None
    assert meeting.start == datetime.fromisoformat("2026-03-06T10:00:00+00:00")


async def test_an_hour_that_the_clocks_leave_out_is_refused(front: Front) -> None:
    incident = await _resolved(front)
    state = front.company.incidents[incident.id]
    assert state.post_mortem is not None
    berlin = state.post_mortem.model_copy(update={"zone": "Europe/Berlin"})
    await front.process.journal.add(incident.id, berlin)
    invitation = await _button(front, incident, ids.OPEN_MOVE_MEETING)
    ana = front.person("ana")
    await ana.press(invitation, ids.OPEN_MOVE_MEETING)
    result = await ana.fill_and_submit({ids.MEETING_DAY: "2026-03-29", ids.MEETING_TIME: "02:30"})
    assert "leave this hour out" in result.errors[ids.MEETING_TIME]
