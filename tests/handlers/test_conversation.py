"""What people see when they type, click and submit, over signed HTTP."""

from __future__ import annotations

import pytest

from bot.communication import ids
from bot.core.errors import TemporaryError
from bot.engine.journal import Decision
from bot.incident.state import Incident, Phase
from sandbox.slack.base.model import Message
from tests.company.deeds import declare, history, planned
from tests.company.shop import GOOD, HANG
from tests.handlers.conftest import Front

DECISION = {
    "reason": "Customers cannot pay",
    "affected_text": "One in five",
    "alternatives": "Hotfix",
    "rationale": "A minute instead of hours",
}


async def _plan_card(front: Front) -> tuple[Incident, Message]:
    incident = await planned(front.process)
    await front.company.clock.advance(10)
    channel = front.company.incidents[incident.id].channel
    assert channel is not None
    messages = front.company.messages(channel.channel_id)
    (card,) = [m for m in messages if f"'action_id': '{ids.APPROVE}'" in str(m.blocks)]
    return incident, card


async def test_from_the_command_to_the_declared_incident(front: Front) -> None:
    shown = await front.form("ana")
    assert "20.0%" in shown
    ana = front.person("ana")
    assert (await ana.fill_and_submit({ids.AFFECTED_USERS: "15"})).ok
    assert "Critical" in await front.modal("ana")
    assert (await ana.fill_and_submit(DECISION)).ok
    incident = front.company.incidents["INC-2026-001"]
    await front.company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    await front.company.clock.advance(1)
    assert "inc-2026-001-checkout" in await front.modal("ana")
    state = front.company.incidents[incident.id]
    assert state.declared.decision.reason == DECISION["reason"]
    assert state.declared.asked_in == front.company.ops.id


async def test_slow_metrics_leave_a_form_that_names_the_gap(front: Front) -> None:
    front.company.shop.script["series"] = [HANG, HANG]
    await front.form("ana")
    ana = front.person("ana")
    gap = "The metrics source did not answer within 0.1 s."
    await ana.wait_for(lambda: ana.view is not None and gap in ana.view.plain)
    assert (await ana.fill_and_submit({ids.ERROR_RATE: "7.5"})).ok
    assert "7.5%" in await front.modal("ana")


async def test_a_second_incident_is_refused_in_the_modal_with_the_way_to_the_first(
    front: Front,
) -> None:
    incident = await planned(front.process)
    shown = await front.form("eve")
    assert incident.id in shown
    assert "inc-2026-001-checkout" in shown


async def test_an_unknown_service_is_answered_with_the_known_ones(front: Front) -> None:
    result = await front.person("ana").command("/rollback chekout", channel="ops")
    assert result.message is not None
    assert "chekout" in result.message.plain
    assert "checkout" in result.message.plain


@pytest.mark.parametrize("word", ["", "help", "status", "history"])
async def test_every_word_of_the_command_is_answered_to_the_person_alone(
    front: Front, word: str
) -> None:
    await declare(front.process)
    result = await front.person("ana").command(f"/rollback {word}", channel="ops")
    assert result.ok
    assert result.message is not None
    assert result.message.ephemeral
    if word in {"status", "history"}:
        assert "INC-2026-001" in result.message.plain


async def test_a_form_whose_draft_is_gone_says_what_to_do_beside_the_input(front: Front) -> None:
    await front.form("ana")
    view = front.person("ana").view
    assert view is not None
    await front.process.store.delete("draft", view.private_metadata)
    result = await front.person("ana").submit()
    assert result.errors == {
        ids.DESCRIPTION: "This form is no longer open on our side. Type `/rollback` again."
    }


async def test_a_refused_approval_is_explained_to_that_person_alone(front: Front) -> None:
    incident, card = await _plan_card(front)
    assert incident.channel is not None
    for name, why in (("ana", "neither a release manager"), ("dan", "from 12:05:00 UTC on")):
        front.person(name).join(incident.channel.channel_id)
        assert (await front.person(name).press(card, ids.APPROVE)).ok
        (told,) = front.whispers(name)
        assert why in told.plain
    assert front.whispers("ben") == []
    assert "approval_given" not in await history(front.process, incident)


async def test_a_click_that_slack_delivers_three_times_counts_once(front: Front) -> None:
    incident, card = await _plan_card(front)
    front.company.slack.faults.duplicate_next(3)
    assert (await front.person("ben").press(card, ids.APPROVE)).ok
    await front.company.until(incident, lambda i: i.phase is Phase.VERIFYING)
    kinds = await history(front.process, incident)
    assert (kinds.count("approval_given"), kinds.count("execution_started")) == (1, 1)
    assert front.company.shop.switches["switch"] == GOOD


async def test_a_declaration_that_slack_delivers_three_times_makes_one_incident(
    front: Front,
) -> None:
    await front.form("ana")
    ana = front.person("ana")
    await ana.submit()
    await ana.fill(DECISION)
    front.company.slack.faults.duplicate_next(3)
    assert (await ana.submit()).ok
    await front.company.clock.settle()
    assert list(front.company.incidents) == ["INC-2026-001"]


async def test_an_old_plan_card_is_refused_although_its_button_is_still_there(
    front: Front,
) -> None:
    incident, card = await _plan_card(front)
    ana = front.person("ana")
    await ana.press(card, ids.OPEN_REPLAN)
    assert (await ana.fill_and_submit({ids.TEXT: "v1.9.0"})).ok
    await front.company.until(incident, lambda i: i.plan and i.plan.to_release == "v1.9.0")
    assert (await front.person("ben").press(card, ids.APPROVE)).ok
    (told,) = front.whispers("ben")
    assert "This is not the plan on the table any more." in told.plain
    assert "approval_given" not in await history(front.process, incident)


async def test_people_outside_the_team_do_not_take_a_plan_off_the_table(front: Front) -> None:
    incident, card = await _plan_card(front)
    eve = front.person("eve")
    await eve.press(card, ids.OPEN_REPLAN)
    answer = await eve.fill_and_submit({ids.TEXT: "v1.9.0"})
    assert f"You are not in the team of {incident.id}." in str(answer)
    assert "plan_requested" not in await history(front.process, incident)


async def test_when_it_cannot_be_recorded_the_person_is_told_to_try_again(
    front: Front,
) -> None:
    incident, card = await _plan_card(front)
    front.process.store.fail_next(TemporaryError("The store is busy.", "Try again."), times=1)
    assert (await front.person("ben").press(card, ids.APPROVE)).ok
    told = front.whispers("ben")
    assert ["The store is busy." in message.plain for message in told] == [True]
    assert "approval_given" not in await history(front.process, incident)


async def test_a_defect_is_told_without_its_details(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, card = await _plan_card(front)

    async def broken(*_: object, **__: object) -> Decision:
        raise ValueError("xoxb-secret")

    monkeypatch.setattr(front.process.store, "append", broken)
    assert (await front.person("ben").press(card, ids.APPROVE)).ok
    (told,) = front.whispers("ben")
    assert "Something unexpected went wrong (ValueError)" in told.plain
    assert "Look whether it was carried out" in told.plain
    assert "xoxb-secret" not in told.plain


@pytest.mark.parametrize("error", ["server", "refusal"])
async def test_a_form_that_slack_does_not_open_is_not_passed_over_in_silence(
    front: Front, error: str
) -> None:
    if error == "server":
        front.company.slack.faults.server_error("views.open")
    else:
        front.company.slack.faults.error("views.open", "expired_trigger_id", times=1)
    ana = front.person("ana")
    await ana.command("/rollback checkout", channel="ops")
    await ana.wait_for(lambda: bool(front.whispers("ana")))
    (told,) = front.whispers("ana")
    assert "type the command, again" in told.plain
    assert "20.0%" in await front.form("ana")


async def test_a_modal_that_was_closed_meanwhile_breaks_nothing(front: Front) -> None:
    front.company.shop.script["series"] = [HANG, HANG]
    ana = front.person("ana")
    await ana.command("/rollback checkout", channel="ops")
    await ana.wait_for(lambda: ana.view is not None)
    await ana.close(everything=True)

    def filled_too_late() -> bool:
        return any(call.error == "not_found" for call in front.company.slack.calls)

    await ana.wait_for(filled_too_late)
    assert ana.view is None
    assert "20.0%" in await front.form("ana")


async def test_rejecting_asks_for_a_reason_and_shows_it(front: Front) -> None:
    incident, card = await _plan_card(front)
    ben = front.person("ben")
    await ben.press(card, ids.OPEN_REJECT)
    assert (await ben.fill_and_submit({ids.REASON: "Wait for the database"})).ok
    state = front.company.incidents[incident.id]
    assert state.phase is Phase.REJECTED
    assert state.rejection is not None
    assert state.rejection.reason == "Wait for the database"


async def test_a_rejection_that_is_delivered_again_is_no_trouble(front: Front) -> None:
    incident, card = await _plan_card(front)
    ben = front.person("ben")
    await ben.press(card, ids.OPEN_REJECT)
    front.company.slack.faults.duplicate_next(3)
    assert (await ben.fill_and_submit({ids.REASON: "Wait for the database"})).ok
    await front.company.clock.settle()
    assert (await history(front.process, incident)).count("plan_rejected") == 1


async def test_a_stranger_cannot_reject_and_keeps_what_was_typed(front: Front) -> None:
    _, card = await _plan_card(front)
    eve = front.person("eve")
    await eve.press(card, ids.OPEN_REJECT)
    result = await eve.fill_and_submit({ids.REASON: "I do not like it"})
    assert "Only people who may approve" in result.errors[ids.REASON]
    assert eve.view is not None
