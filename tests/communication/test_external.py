"""Messages to customers as people of the company see them, and as a status page gets them."""

from __future__ import annotations

import pytest

from bot.communication import ids
from bot.communication.external import (
    draft_card,
    edit_external_form,
    hold_buttons,
    status_message,
    told_outside,
)
from bot.communication.template_values import Public
from bot.communication.texts import built_in
from bot.incident import events as e
from bot.incident.duties import is_proven
from bot.incident.external import due
from bot.incident.state import OutsideMessage, OutsideState, Phase
from tests.communication.checks import assert_message, assert_view, buttons, shown
from tests.communication.examples import BEN, T0, frame, incident_in

PUBLIC = Public(service="Checkout", company="Shop")
HOSTILE = "<!channel> <https://evil.example|here> & `code`\n> quoted\n" * 60


def _draft(text: str = "We found it.", **changes: object) -> OutsideMessage:
    given: dict[str, object] = {
        "number": 2,
        "message": e.ExternalMessage.IDENTIFIED,
        "text": text,
        "state": OutsideState.WAITING,
        "at": T0,
    }
    return OutsideMessage.model_validate({**given, **changes})


@pytest.mark.parametrize("state", OutsideState)
@pytest.mark.parametrize("text", ["We found it.", HOSTILE])
def test_a_draft_shows_its_words_its_readers_and_its_fate(state: OutsideState, text: str) -> None:
    by = None if state is OutsideState.WAITING else BEN
    incident = incident_in(Phase.EXECUTING, extra=(e.ExternalHeld(by=BEN),))
    card = draft_card(incident, _draft(text, state=state, by=by), ("status page public",))
    assert_message(card)
    waits = state is OutsideState.WAITING
    assert set(buttons(card)) == (
        {ids.SEND_EXTERNAL, ids.OPEN_EDIT_EXTERNAL, ids.DISCARD_EXTERNAL} if waits else set()
    ) - ({ids.OPEN_EDIT_EXTERNAL} if len(text) > 3_000 else set())
    assert ("<@U0BEN0001> holds messages to customers." in shown(card)) is waits
    if waits:
        assert buttons(card)[ids.SEND_EXTERNAL]["value"] == f"{incident.id} 2"


def test_whoever_sends_a_draft_was_shown_all_of_it() -> None:
    text = "\n".join(f"sentence {n}. {'word ' * 40}&" for n in range(14)) + "the end"
    assert len(text) > 2_950
    card = draft_card(incident_in(Phase.EXECUTING), _draft(text), ("statuspage:public",))
    assert_message(card)
    said = shown(card)
    assert all(f"sentence {n}." in said for n in range(14))
    assert "the end" in said
    assert "characters more" not in said


def test_the_form_holds_three_thousand_characters() -> None:
    incident = incident_in(Phase.EXECUTING)
    assert_view(edit_external_form(incident, _draft("x" * 3_000)))


def test_the_hold_button_turns_into_its_opposite_and_ends_with_the_incident() -> None:
    incident = incident_in(Phase.EXECUTING)
    assert [b.action_id for b in hold_buttons(incident)] == [ids.HOLD_EXTERNAL]
    held = incident_in(Phase.EXECUTING, extra=(e.ExternalHeld(by=BEN),))
    assert [b.action_id for b in hold_buttons(held)] == [ids.FREE_EXTERNAL]
    assert "held by <@U0BEN0001>" in "\n".join(told_outside(held))
    assert hold_buttons(incident_in(Phase.RESOLVED)) == []


def test_the_card_says_what_everybody_took_and_what_was_left_open() -> None:
    told = e.Told(destination="statuspage:public", what="monitoring", reference="p31zjtct2jer")
    sent = e.ExternalSent(message=e.ExternalMessage.MONITORING)
    ended = incident_in(
        Phase.RESOLVED, ends_as=Phase.INCONCLUSIVE, report=False, extra=(sent, told)
    )
    said = "\n".join(told_outside(ended))
    assert "status page public: monitoring — receipt p31zjtct2jer" in said
    assert "close the incident on the status page by hand" in said


@pytest.mark.parametrize(
    ("message", "component"),
    [
        (e.ExternalMessage.INVESTIGATING, "partial_outage"),
        (e.ExternalMessage.MONITORING, "degraded_performance"),
        (e.ExternalMessage.RESOLVED, "operational"),
    ],
)
def test_components_recover_with_the_service(message: e.ExternalMessage, component: str) -> None:
    incident = incident_in(Phase.RECOVERED)
    draft = _draft("", message=message, state=OutsideState.SENT)
    told = status_message(incident, PUBLIC, built_in(), frame().now, draft)
    assert (told.component_status, told.impact) == (component, "critical")
    assert told.title == "Errors in Checkout"
    assert "v2" not in told.text + told.title
    over = message is e.ExternalMessage.RESOLVED
    assert (told.resolved_at is not None) is over


def test_what_is_due_follows_from_what_happened() -> None:
    recovered = incident_in(Phase.RECOVERED)
    assert recovered.judged is not None
    assert due(recovered, (recovered.judged,)) is e.ExternalMessage.RESOLVED
    relapsed = e.Relapsed(judgement=recovered.judged.judgement, since=T0)
    again = incident_in(Phase.RECOVERED, extra=(relapsed,))
    assert due(again, (relapsed,)) is e.ExternalMessage.INVESTIGATING
    assert is_proven(recovered)
    assert not is_proven(again)
    silent = incident_in(Phase.INCONCLUSIVE)
    assert silent.judged is not None
    assert due(silent, (silent.judged,)) is None


def test_customers_are_not_told_of_a_fix_when_a_rollback_is_being_undone() -> None:
    approved = incident_in(Phase.APPROVED)
    assert approved.plan is not None
    event = e.PlanApproved(plan_hash=approved.plan.hash)
    fresh = approved.model_copy(update={"outside": ()})
    assert fresh.plan is not None
    assert due(fresh, (event,)) is e.ExternalMessage.IDENTIFIED
    undone = fresh.model_copy(update={"plan": fresh.plan.model_copy(update={"undoes": True})})
    done = e.ExecutionFinished(outcome=e.ExecutionOutcome.SUCCEEDED)
    assert due(undone, (event,)) is None
    assert due(undone, (done,)) is None
