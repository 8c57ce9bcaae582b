"""The four cards: what they say and what they let people do, phase by phase."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.communication import ids
from bot.communication.cards import plan_card, progress_card, status_card
from bot.communication.figures import status
from bot.communication.recovery_card import recovery_card
from bot.incident import events as e
from bot.incident.approval import ApprovalPolicy
from bot.incident.state import Phase
from tests.communication.checks import assert_message, buttons, shown
from tests.communication.examples import (
    BEN,
    CARA,
    T0,
    approved_by,
    frame,
    incident_in,
    plan,
    step,
    steps,
    unsafe_plan,
)

WORDS_ONLY = {ids.OPEN_WORDS}
DECIDE = {ids.OPEN_WORDS, ids.OPEN_REPLAN, ids.OPEN_RESOLVE}

STATUS_BUTTONS = {
    Phase.PLANNING: WORDS_ONLY,
    Phase.PLANNING_FAILED: DECIDE,
    Phase.AWAITING_APPROVAL: DECIDE,
    Phase.REJECTED: DECIDE,
    Phase.APPROVED: WORDS_ONLY,
    Phase.EXECUTING: WORDS_ONLY,
    Phase.STOPPED: DECIDE | {ids.UNDO},
    Phase.VERIFYING: WORDS_ONLY,
    Phase.RECOVERED: DECIDE | {ids.VERIFY_AGAIN, ids.UNDO},
    Phase.NOT_RECOVERED: DECIDE | {ids.VERIFY_AGAIN, ids.UNDO},
    Phase.INCONCLUSIVE: DECIDE | {ids.VERIFY_AGAIN, ids.UNDO},
    Phase.RESOLVED: set(),
}


@pytest.mark.parametrize("phase", Phase)
def test_the_status_card_offers_what_the_phase_allows(phase: Phase) -> None:
    card = status_card(incident_in(phase), frame())
    assert set(buttons(card)) == STATUS_BUTTONS[phase]
    assert {button["value"] for button in buttons(card).values()} <= {"INC-2026-001"}
    assert "*Next:*" in shown(card)


def test_the_status_card_tells_a_newcomer_everything() -> None:
    said = shown(status_card(incident_in(Phase.AWAITING_APPROVAL), frame()))
    for fact in (
        "Critical (P0)",
        "`v2.1.0` → `v2.0.0`",
        "blue-green",
        "*Incident lead*\n<@U0BEN0001>",
        "About 15% of users",
        "> Error rate 7.2% since v2.1.0",
        "7.2% of 1,250 requests (normal: 0.15%)",
        "640 ms, 3.0× the normal 210 ms",
        "☑️ Communication channel active",
        "⬜ Plan approved — open",
        "• Database Administrator: nobody yet",
        "next update <!date^1773498640^{time}|14:30 UTC>",
    ):
        assert fact in said


def test_what_did_not_work_stands_on_the_card_with_what_to_do() -> None:
    note = e.Noted(subject="pin", what="The card could not be pinned.", remedy="Pin it by hand.")
    said = shown(status_card(incident_in(Phase.PLANNING, notes=(note,)), frame()))
    assert "• *pin*: The card could not be pinned. Pin it by hand." in said


def test_too_many_notes_are_counted_and_the_newest_stay() -> None:
    notes = tuple(
        e.Noted(subject=f"note {n}", what="x" * 250, remedy="Do this.") for n in range(40)
    )
    card = status_card(incident_in(Phase.PLANNING, notes=notes), frame())
    said = shown(card)
    assert "*note 39*" in said
    assert "*note 0*" not in said
    assert "more — see the report" in said
    assert_message(card)


def test_the_card_of_an_ended_incident_says_who_ended_it() -> None:
    said = shown(status_card(incident_in(Phase.RESOLVED), frame()))
    assert "by <@U0BEN0001>" in said
    assert "updates have ended" in said


def test_an_event_that_changes_nothing_visible_does_not_redraw_the_card() -> None:
    before = incident_in(Phase.PLANNING)
    after = incident_in(Phase.PLANNING, extra=(e.WordsAdded(by=BEN, text="Hold on."),))
    assert status_card(after, frame()) == status_card(before, frame())


def test_a_safe_plan_can_be_approved_as_exactly_what_it_is() -> None:
    incident = incident_in(Phase.AWAITING_APPROVAL)
    card = plan_card(incident, frame())
    assert incident.plan is not None
    offered = buttons(card)
    assert set(offered) == {ids.APPROVE, ids.OPEN_REJECT, ids.OPEN_REPLAN}
    approve = offered[ids.APPROVE]
    assert approve["value"] == f"INC-2026-001 {incident.plan.hash}"
    assert approve["style"] == "primary"
    assert approve["confirm"]["text"]["text"] == (
        "checkout goes from v2.1.0 to v2.0.0: 3 steps, about 52 s. Downtime: None. Data lost: None."
    )
    assert offered[ids.OPEN_REJECT]["value"] == f"INC-2026-001 {incident.plan.hash}"


def test_the_plan_is_shown_with_all_that_an_approver_weighs() -> None:
    said = shown(plan_card(incident_in(Phase.AWAITING_APPROVAL), frame()))
    for fact in (
        "Plan: blue-green checkout v2.1.0 → v2.0.0",
        "Safe to run, with 1 of 2 preflights warning.",
        "about 52 s in 3 steps",
        "1. Scale blue to 3 replicas (about 20 s)",
        "`kubectl -n shop scale deployment/checkout-blue --replicas=3`",
        "2. Switch the Service to blue (about 2 s, from here on new requests reach the target",
        "(about 30 s, changes nothing, from here on the bad release serves nobody)",
        "⚠️ Warning — *No other rollout*: An autoscaler owns checkout-green.",
        "✅ Passed — *Target exists*",
        "*Cannot be taken back*\n• Nothing: every step can be undone",
        "*Stays as it is*\n• Database migrations of v2.1.0",
        "*Downtime*\nNone",
        "*Data lost*\nNone",
        "normal error rate of 0.15%",
        "*Approvals: 0 of 1*",
    ):
        assert fact in said


def test_a_step_that_cannot_be_taken_back_says_so() -> None:
    once = plan(steps=(step("Drop the table", "psql -c 'drop'", inverse=None),))
    said = shown(plan_card(incident_in(Phase.AWAITING_APPROVAL, plan=once), frame()))
    assert "1. Drop the table (about 10 s, cannot be taken back)" in said


def test_an_unsafe_plan_says_why_and_offers_no_approval() -> None:
    card = plan_card(incident_in(Phase.AWAITING_APPROVAL, plan=unsafe_plan()), frame())
    assert set(buttons(card)) == {ids.OPEN_REJECT, ids.OPEN_REPLAN}
    said = shown(card)
    assert "🔴 *Not safe, because:* The image of v2.0.0 is gone from the registry." in said
    assert "🔴 Blocks — *Target exists*" in said


def test_without_a_baseline_the_approver_is_warned_that_nothing_can_be_proven() -> None:
    incident = incident_in(
        Phase.AWAITING_APPROVAL, baseline=None, baseline_note="Nothing was measured before 13:20."
    )
    said = shown(plan_card(incident, frame()))
    assert "recovery cannot be proven from metrics. Nothing was measured before 13:20." in said


def test_approvals_are_counted_by_name() -> None:
    incident = incident_in(Phase.APPROVED, approvers=(BEN, CARA))
    said = shown(plan_card(incident, frame(approval=ApprovalPolicy(quorum=2))))
    assert "🟢 *Approved* by <@U0BEN0001>, <@U0CARA001>" in said
    assert "*Approvals: 2 of 2*\n• <@U0BEN0001> at <!date^" in said


def test_the_same_person_twice_is_one_of_those_who_are_needed() -> None:
    policy = ApprovalPolicy(quorum=3)
    said = shown(plan_card(approved_by(BEN, CARA), frame(approval=policy)))
    assert "*Approvals: 2 of 3*" in said
    assert "A release manager presses" in said
    said = shown(plan_card(approved_by(BEN, BEN), frame(approval=policy)))
    assert "*Approvals: 1 of 3*" in said
    assert "2 different release managers press" in said


@pytest.mark.parametrize(
    ("phase", "parts", "outcome"),
    [
        (Phase.APPROVED, {}, "🟢 *Approved* by <@U0BEN0001>"),
        (Phase.STOPPED, {}, "🟢 *Approved* by <@U0BEN0001>"),
        (Phase.REJECTED, {}, "⚪ *Rejected* by <@U0BEN0001>. Nothing was changed.\n> v2.0.0 has"),
        (Phase.RESOLVED, {"ends_as": Phase.AWAITING_APPROVAL}, "⚪ *Not run*"),
    ],
)
def test_a_decided_plan_shows_the_outcome_and_no_buttons(
    phase: Phase, parts: dict[str, Any], outcome: str
) -> None:
    card = plan_card(incident_in(phase, **parts), frame())
    assert outcome in shown(card)
    assert buttons(card) == {}


def test_a_plan_that_is_off_the_table_says_why() -> None:
    hash_ = plan().hash
    asked = incident_in(Phase.AWAITING_APPROVAL, extra=(e.PlanRequested(by=BEN),))
    assert "*Set aside*: a new plan was asked for." in shown(plan_card(asked, frame()))
    expired = incident_in(
        Phase.AWAITING_APPROVAL,
        extra=(e.ApprovalEscalated(plan_hash=hash_), e.PlanExpired(plan_hash=hash_)),
    )
    card = plan_card(expired, frame())
    assert "*Expired*: nobody approved it in time. A new plan is made" in shown(card)
    assert buttons(card) == {}
    old = incident_in(Phase.AWAITING_APPROVAL, extra=(e.PlanExpired(plan_hash=hash_),))
    late = frame(now=T0 + timedelta(hours=1))
    assert "*No longer valid*: it is too old." in shown(plan_card(old, late))


def test_a_long_plan_is_folded_and_says_how_much_is_missing() -> None:
    long = plan(steps=tuple(one for one in steps() for _ in range(20)))
    card = plan_card(incident_in(Phase.AWAITING_APPROVAL, plan=long), frame())
    assert "more — see the report" in shown(card)
    assert set(buttons(card)) == {ids.APPROVE, ids.OPEN_REJECT, ids.OPEN_REPLAN}
    assert_message(card)


def test_there_is_no_plan_card_without_a_plan() -> None:
    with pytest.raises(ValueError, match="no plan"):
        plan_card(incident_in(Phase.PLANNING), frame())


def test_the_progress_card_shows_each_step_in_its_state() -> None:
    card = progress_card(incident_in(Phase.EXECUTING), frame())
    said = shown(card)
    assert "🟣 *Running*: 1 of 3 steps done, about 32 s of steps left" in said
    assert "1. Scale blue to 3 replicas — ✅ Done, 4 s\n      Step 0 holds." in said
    assert "2. Switch the Service to blue — ▶️ Running since <!date^" in said
    assert "3. Wait until green serves no more requests — ⏳ Waiting, about 30 s" in said
    assert set(buttons(card)) == {ids.PAUSE, ids.ABORT}
    assert "confirm" in buttons(card)[ids.ABORT]


def test_a_paused_execution_can_be_resumed_or_aborted() -> None:
    paused = incident_in(Phase.EXECUTING, extra=(e.PauseRequested(by=BEN),))
    card = progress_card(paused, frame())
    assert "⏸️ *Paused* by <@U0BEN0001>, 1 of 3 steps done" in shown(card)
    assert set(buttons(card)) == {ids.RESUME, ids.ABORT}


def test_an_abort_cannot_be_asked_for_twice() -> None:
    aborting = incident_in(Phase.EXECUTING, extra=(e.AbortRequested(by=BEN),))
    card = progress_card(aborting, frame())
    assert "🛑 *Aborting at the next step boundary*" in shown(card)
    assert buttons(card) == {}


def test_a_failed_step_shows_its_failure_and_the_remedy() -> None:
    card = progress_card(incident_in(Phase.STOPPED), frame())
    said = shown(card)
    assert "🔴 *Stopped: a step failed* after 8 s. The API server refused the patch." in said
    assert "2. Switch the Service to blue — ❌ Failed" in said
    assert "Grant the bot “patch services”" in said
    assert "3. Wait until green serves no more requests — ⚪ Not run" in said
    assert buttons(card) == {}


def test_an_aborted_step_was_interrupted_not_failed() -> None:
    stopped = e.ExecutionFinished(
        outcome=e.ExecutionOutcome.ABORTED, what="Aborted by Ben after 1 of 3 steps."
    )
    said = shown(progress_card(incident_in(Phase.STOPPED, stopped=stopped), frame()))
    assert "🛑 *Aborted* after 5 s. Aborted by Ben after 1 of 3 steps." in said
    assert "2. Switch the Service to blue — ⚪ Interrupted" in said


def test_all_steps_done_is_not_called_recovery() -> None:
    said = shown(progress_card(incident_in(Phase.VERIFYING), frame()))
    assert "✅ *All steps are done* after 14 s. That is not yet recovery" in said
    assert "🔍 Checked, holds" in said


def test_the_recovery_table_fills_row_by_row() -> None:
    card = recovery_card(incident_in(Phase.VERIFYING), frame())
    said = shown(card)
    assert "+2 min       2.08%      1,200     220 ms  Dropping ⬇️" in said
    assert "+5 min     not measured yet" in said
    assert "Until then nothing is proven." in said
    assert buttons(card) == {}


def test_a_recovery_shows_its_proof() -> None:
    card = recovery_card(incident_in(Phase.RECOVERED), frame())
    said = shown(card)
    for fact in (
        "+2 min       1.17%      1,200     220 ms  Recovering ⬇️",
        "+5 min       0.22%      1,800     220 ms  Normal ✅",
        "3 of 3 ready, 3 of 3 say that they run `v2.0.0`",
        "Health check: passes ✅",
        "*✅ Recovered*",
        "Counted: 22 errors in 6,000 requests (0.37%)",
        "the limit is 0.65%",
    ):
        assert fact in said
    assert "Possible causes" not in said
    assert set(buttons(card)) == {
        ids.VERIFY_AGAIN,
        ids.OPEN_REPLAN,
        ids.OPEN_RESOLVE,
        ids.UNDO,
    }


@pytest.mark.parametrize("phase", [Phase.NOT_RECOVERED, Phase.INCONCLUSIVE])
def test_what_is_not_proven_comes_with_causes_and_actions(phase: Phase) -> None:
    card = recovery_card(incident_in(phase), frame())
    said = shown(card)
    assert "1. *The target release does not serve everywhere.* ⏳ is being checked." in said
    assert "Left as it was: Database migrations" in said
    assert "*`v2.1.0` was not the cause.*" in said
    assert set(buttons(card)) == {
        ids.VERIFY_AGAIN,
        ids.OPEN_REPLAN,
        ids.OPEN_RESOLVE,
        ids.UNDO,
    }


def test_missing_figures_are_unknown_and_not_normal() -> None:
    said = shown(recovery_card(incident_in(Phase.INCONCLUSIVE), frame()))
    assert "–          0          –  Unknown: No request was counted." in said
    assert "*🟠 Inconclusive: recovery is not proven*" in said


def test_a_replica_that_is_not_as_it_should_be_is_named() -> None:
    odd = e.InstancesChecked(
        instances=(
            e.InstanceCheck(name="blue-1", ready=True, version="v2.0.0"),
            e.InstanceCheck(name="blue-2", ready=False, version=None, problem="CrashLoopBackOff"),
            e.InstanceCheck(name="green-1", ready=True, version="v2.1.0"),
        ),
        health_ok=False,
        version="v2.1.0",
        problems=("The version path answered 503.",),
    )
    said = shown(recovery_card(incident_in(Phase.NOT_RECOVERED, instances=odd), frame()))
    for fact in (
        "2 of 3 ready, 1 of 3 say that they run `v2.0.0`",
        "Health check: fails 🔴",
        "blue-2 is not ready, version unknown: CrashLoopBackOff",
        "green-1 is ready, runs `v2.1.0`",
        "The version path answered 503.",
    ):
        assert fact in said


@pytest.mark.parametrize(
    ("rate", "before", "limit", "said"),
    [
        (0.001, 0.05, 0.0065, "Normal ✅"),
        (0.0065, 0.001, 0.0065, "Normal ✅"),
        (0.012, 0.05, 0.0065, "Recovering ⬇️"),
        (0.021, 0.05, 0.0065, "Dropping ⬇️"),
        (0.05, 0.05, 0.0065, "Elevated 🔴"),
        (0.06, 0.05, 0.0065, "Elevated 🔴"),
        (0.06, None, 0.0065, "Elevated 🔴"),
        (None, 0.05, 0.0065, "Unknown"),
        (0.001, 0.05, None, "Falling ⬇️ (no baseline to compare with)"),
        (0.001, None, None, "Not falling (no baseline to compare with)"),
    ],
)
def test_a_row_is_read_beside_the_limit_and_the_row_before(
    rate: float | None, before: float | None, limit: float | None, said: str
) -> None:
    assert status(rate, before, limit) == said
