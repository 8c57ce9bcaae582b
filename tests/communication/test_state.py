"""Where an incident stands, and who does what next, in every phase."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.communication.markup import moment
from bot.communication.next_action import next_action
from bot.communication.state import checklist, eta, eta_seconds, headline
from bot.incident import events as e
from bot.incident.approval import ApprovalPolicy
from bot.incident.state import Phase
from tests.communication.examples import (
    BEN,
    ROLES,
    T0,
    assessment,
    figures,
    frame,
    incident_in,
    unsafe_plan,
)

WAY = "checkout v2.1.0 → v2.0.0"

HEADLINES = {
    Phase.PLANNING: f"🟡 Preparing a plan: {WAY}",
    Phase.PLANNING_FAILED: f"🟠 No plan could be made: {WAY}",
    Phase.AWAITING_APPROVAL: f"🔵 Waiting for approval of blue-green {WAY}",
    Phase.REJECTED: f"⚪ Plan rejected, nothing was changed: {WAY}",
    Phase.APPROVED: f"🔵 Approved, about to start: {WAY}",
    Phase.EXECUTING: f"🟣 Rolling back, step 2 of 3: {WAY}",
    Phase.STOPPED: f"🔴 Rollback stopped, a step failed: {WAY}",
    Phase.VERIFYING: f"🔎 Rolled back, recovery not yet proven: {WAY}",
    Phase.RECOVERED: f"✅ Recovered, proven from metrics: {WAY}",
    Phase.NOT_RECOVERED: f"🔴 Rolled back, but not recovered: {WAY}",
    Phase.INCONCLUSIVE: f"🟠 Rolled back, recovery could not be proven: {WAY}",
    Phase.RESOLVED: f"✅ Resolved, recovery proven: {WAY}",
}

NEXT = {
    Phase.PLANNING: "The bot looks at the live system",
    Phase.PLANNING_FAILED: "*Deployment Lead* (<@U0CARA001>): Name one that still exists. Then "
    "press “Plan again”.",
    Phase.AWAITING_APPROVAL: "A release manager presses “Approve” or “Reject”",
    Phase.REJECTED: "*Incident Commander* (<@U0BEN0001>): answer the reason",
    Phase.APPROVED: "The bot runs the approved plan",
    Phase.EXECUTING: "Now: Switch the Service to blue.",
    Phase.STOPPED: "*Deployment Lead* (<@U0CARA001>): Grant the bot “patch services”, then press "
    "“Plan again”.",
    Phase.VERIFYING: "The bot measures until <!date^1773498780^{time}|14:33 UTC> and then judges",
    Phase.RECOVERED: "then press “Resolve” and write down the root cause",
    Phase.NOT_RECOVERED: "go through the possible causes on the recovery card",
    Phase.INCONCLUSIVE: "press “Verify again” once there are figures",
    Phase.RESOLVED: "hold the post-mortem within 24 to 48 hours",
}


@pytest.mark.parametrize("phase", Phase)
def test_the_headline_says_the_state_in_words(phase: Phase) -> None:
    assert headline(incident_in(phase)) == HEADLINES[phase]


@pytest.mark.parametrize("phase", Phase)
def test_somebody_knows_what_to_do_next(phase: Phase) -> None:
    assert NEXT[phase] in next_action(incident_in(phase), frame())


def test_an_unsafe_plan_is_not_said_to_wait_for_approval() -> None:
    incident = incident_in(Phase.AWAITING_APPROVAL, plan=unsafe_plan())
    assert headline(incident) == f"🔴 Plan is not safe and cannot be approved: {WAY}"
    assert "mend what blocks the plan" in next_action(incident, frame())


def test_a_post_mortem_that_has_its_slot_is_named_with_it() -> None:
    meeting = e.PostMortemScheduled(start=T0, minutes=60, zone="Europe/Berlin", people=())
    resolved = incident_in(Phase.RESOLVED).model_copy(update={"post_mortem": meeting})
    action = next_action(resolved, frame())
    assert "come to the post-mortem at <!date^1773498000^" in action
    assert "24 to 48 hours" not in action


def test_a_pause_is_said_with_the_way_out() -> None:
    incident = incident_in(Phase.EXECUTING, extra=(e.PauseRequested(by=BEN),))
    assert headline(incident) == f"⏸️ Paused after step 1 of 3: {WAY}"
    action = next_action(incident, frame())
    assert "<@U0BEN0001> paused the rollback" in action
    assert "press “Resume” to go on or “Abort” to stop for good" in action


def test_an_abort_is_said_before_it_takes_effect() -> None:
    incident = incident_in(Phase.EXECUTING, extra=(e.AbortRequested(by=BEN),))
    assert headline(incident) == f"🛑 Stopping at the next step boundary: {WAY}"
    assert "steps that are done stay done" in next_action(incident, frame())


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        (e.ExecutionOutcome.CONFLICT, "the live system is not what was approved"),
        (e.ExecutionOutcome.ABORTED, "aborted by request"),
    ],
)
def test_a_stop_says_why(outcome: e.ExecutionOutcome, why: str) -> None:
    stopped = e.ExecutionFinished(outcome=outcome, what="Somebody was faster.")
    incident = incident_in(Phase.STOPPED, stopped=stopped)
    assert headline(incident) == f"🔴 Rollback stopped, {why}: {WAY}"
    assert "press “Plan again” for a plan from here" in next_action(incident, frame())


def test_the_end_is_called_no_better_than_it_is() -> None:
    unproven = incident_in(Phase.RESOLVED, ends_as=Phase.INCONCLUSIVE)
    assert headline(unproven) == f"🟠 Resolved without proof of recovery: {WAY}"
    never_ran = incident_in(Phase.RESOLVED, ends_as=Phase.REJECTED)
    assert headline(never_ran) == f"⚪ Resolved without a rollback: {WAY}"


def test_an_unknown_target_is_left_out() -> None:
    unknown = assessment(figures=figures(previous_release=None))
    assert headline(incident_in(Phase.PLANNING, assessment=unknown)).endswith(": checkout v2.1.0")


def test_approval_says_when_on_call_leads_may_and_when_the_plan_expires() -> None:
    incident = incident_in(Phase.AWAITING_APPROVAL)
    early = next_action(incident, frame())
    assert "From <!date^1773498348^{time}|14:25 UTC> on, on-call leads may approve" in early
    assert "<@U0ANA0001> asked for the rollback and may not approve it." in early
    assert "The plan holds until <!date^1773499848^{time}|14:50 UTC>" in early
    late = next_action(incident, frame(now=T0 + timedelta(minutes=10)))
    assert "On-call leads may approve as well now." in late


def test_approval_counts_what_is_missing() -> None:
    policy = ApprovalPolicy(quorum=3, self_approval=True)
    action = next_action(incident_in(Phase.AWAITING_APPROVAL), frame(approval=policy))
    assert "3 different release managers press “Approve”" in action
    assert "may not approve it" not in action


def test_a_role_that_nobody_fills_has_a_stand_in() -> None:
    roles = tuple(role.model_copy(update={"people": ()}) for role in ROLES)
    action = next_action(incident_in(Phase.REJECTED, roles=roles), frame())
    assert "*Incident Commander* (nobody yet; <@U0ANA0001> stands in)" in action


def test_the_checklist_ticks_itself() -> None:
    def open_items(phase: Phase, **parts: object) -> list[str]:
        return [text for text, done in checklist(incident_in(phase, **parts)) if not done]

    assert open_items(Phase.PLANNING) == [
        "Rollback plan documented",
        "Previous version available, preflights passed",
        "Evidence saved that the rollback may destroy",
        "Plan approved",
    ]
    assert open_items(Phase.AWAITING_APPROVAL) == ["Plan approved"]
    assert open_items(Phase.EXECUTING) == []


def test_the_checklist_names_missing_roles_and_does_not_ask_for_a_database_expert() -> None:
    incident = incident_in(Phase.PLANNING, roles=ROLES[1:])
    assert ("Team assembled (nobody yet: Incident Commander)", False) in checklist(incident)
    assert ("Team assembled", True) in checklist(incident_in(Phase.PLANNING))


def test_a_plan_that_is_not_safe_leaves_the_previous_version_unticked() -> None:
    incident = incident_in(Phase.AWAITING_APPROVAL, plan=unsafe_plan())
    assert ("Previous version available, preflights passed: v2.0.0", False) in checklist(incident)


def test_the_time_to_go_shrinks_with_the_steps() -> None:
    assert eta(incident_in(Phase.PLANNING)) == "follows with the plan"
    assert eta(incident_in(Phase.AWAITING_APPROVAL)) == "about 52 s from approval"
    assert eta(incident_in(Phase.EXECUTING, done=1)) == "about 32 s of steps left"
    assert eta_seconds(incident_in(Phase.EXECUTING, done=2)) == 30.0
    assert eta_seconds(incident_in(Phase.VERIFYING)) is None


def test_a_measurement_that_was_extended_names_its_new_end() -> None:
    incident = incident_in(Phase.VERIFYING)
    until = T0 + timedelta(hours=3)
    extended = e.VerificationExtended(until=until, unread_seconds=60)
    longer = incident.model_copy(update={"extended": extended})
    assert f"until {moment(until)}" in next_action(longer, frame())
