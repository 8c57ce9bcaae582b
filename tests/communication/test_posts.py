"""What is posted once: announcements, updates, outcomes, and the messages of a watch."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.communication import announcements, ids, outcomes
from bot.incident import events as e
from bot.incident.state import Phase
from tests.communication.checks import assert_message, buttons, shown
from tests.communication.examples import (
    ANA,
    ROLES,
    T0,
    assessment,
    figures,
    frame,
    incident_in,
    verdict,
)


def test_the_announcement_is_the_procedures() -> None:
    message = announcements.announcement(incident_in(Phase.PLANNING), frame(), eta_seconds=90)
    said = shown(message)
    for fact in (
        "🚨 INCIDENT: initiating rollback of checkout v2.1.0",
        "> Error rate 7.2% since v2.1.0",
        "*Severity*\nCritical (P0)",
        "*Affected*\nAbout 15% of users",
        "*Action*\nRolling back to `v2.0.0`",
        "*ETA*\nabout 1 min 30 s of steps",
        "*Incident lead*\n<@U0BEN0001>",
        "• Decided by: <@U0ANA0001>",
        "• Alternatives considered: Hotfix",
        "• Why a rollback: A hotfix takes hours; the old release works.",
        "> Payments fail with a blank page.",
        "*All hands on deck. Updates every 10 minutes.*",
        "Nothing is changed before a plan is approved here.",
    ):
        assert fact in said
    assert "Updates every 10 minutes." in message.text


@pytest.mark.parametrize(
    ("every", "said"),
    [
        (timedelta(minutes=1), "Updates every minute."),
        (timedelta(seconds=30), "Updates every 30 s."),
        (timedelta(minutes=90), "Updates every 1 h 30 min."),
    ],
)
def test_the_announcement_promises_the_real_rhythm(every: timedelta, said: str) -> None:
    announced = announcements.announcement(incident_in(Phase.PLANNING), frame(update_every=every))
    assert said in shown(announced)


def test_an_incident_without_a_channel_of_its_own_says_so() -> None:
    shared = e.ChannelOpened(
        channel_id="C0OPS0001", channel_name="", dedicated=False, note="Members may not create any."
    )
    said = shown(announcements.announcement(incident_in(Phase.PLANNING, channel=shared), frame()))
    assert "no channel of its own.* Members may not create any." in said


def test_whoever_declared_leads_until_a_commander_is_found() -> None:
    said = shown(announcements.announcement(incident_in(Phase.PLANNING, roles=ROLES[1:]), frame()))
    assert "*Incident lead*\n<@U0ANA0001>" in said


def test_stakeholders_are_told_where_to_follow() -> None:
    said = shown(announcements.stakeholder_announcement(incident_in(Phase.PLANNING), frame()))
    assert "You need not do anything. Follow it in <#C0INC0001>." in said


def test_the_team_is_presented_with_its_gaps() -> None:
    message = announcements.team_assembled(incident_in(Phase.PLANNING), frame())
    said = shown(message)
    assert "*Incident team assembled, not complete. Beginning the rollback.*" in said
    assert "• *Incident Commander*: <@U0BEN0001>" in said
    assert "*Nobody yet:* Database Administrator." in said
    assert "/invite" in said
    assert "Nobody yet: Database Administrator." in message.text


def test_a_complete_team_needs_nothing() -> None:
    full = tuple(role.model_copy(update={"people": (ANA,)}) for role in ROLES)
    said = shown(announcements.team_assembled(incident_in(Phase.PLANNING, roles=full), frame()))
    assert "*Incident team assembled. Beginning the rollback.*" in said
    assert "Nobody yet" not in said


def test_an_escalation_says_who_may_approve_now() -> None:
    late = frame(now=T0 + timedelta(minutes=10))
    said = shown(announcements.escalated(incident_in(Phase.AWAITING_APPROVAL), late))
    assert "Still no approval for checkout v2.1.0 → v2.0.0: on-call leads may approve now." in said
    assert "release managers did not answer within 5 min" in said


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.RESOLVED])
def test_every_update_says_where_it_stands_and_when_the_next_one_comes(phase: Phase) -> None:
    incident = incident_in(phase)
    message = announcements.update_post(incident, frame(), number=3)
    said = shown(message)
    assert "*Update 3*, 2 min 20 s after the declaration" in said
    assert "*Next:*" in said
    assert "next update <!date^" in said
    assert "Error rate" in said
    assert_message(message)


def test_peoples_words_stand_in_the_update_with_their_name() -> None:
    words = e.WordsAdded(by=ANA, text="Refunds are on hold.\nWe call the bank.")
    incident = incident_in(Phase.EXECUTING, extra=(words,))
    message = announcements.update_post(incident, frame(), number=1)
    assert "<@U0ANA0001> says:\n> Refunds are on hold.\n> We call the bank." in shown(message)
    assert "Refunds are on hold." in message.text


def test_words_can_be_passed_when_the_state_no_longer_has_them() -> None:
    words = e.WordsAdded(by=ANA, text="Refunds are on hold.")
    message = announcements.update_post(
        incident_in(Phase.PLANNING), frame(), number=1, words=(words,)
    )
    assert "> Refunds are on hold." in shown(message)


def test_more_words_than_fit_are_counted() -> None:
    words = tuple(e.WordsAdded(by=ANA, text=f"remark {n}") for n in range(7))
    message = announcements.update_post(incident_in(Phase.PLANNING), frame(), number=1, words=words)
    said = shown(message)
    assert "remark 6" in said
    assert "3 earlier remarks — see the report" in said


def test_an_update_during_verification_has_the_newest_row() -> None:
    said = shown(announcements.update_post(incident_in(Phase.VERIFYING), frame(), number=1))
    assert "Error rate +2 min after the rollback: 2.08% of 1,200 requests — Dropping" in said
    assert "220 ms, 1.0× the normal 210 ms" in said


def test_a_proven_recovery_is_a_completed_rollback() -> None:
    message = outcomes.completion_post(incident_in(Phase.RECOVERED), frame())
    said = shown(message)
    for fact in (
        "✅ Rollback complete, recovery proven: checkout v2.1.0 → v2.0.0",
        "*Status:* Rollback successful: the error rate is back to normal.",
        "*Rollback took*\n14 s",
        "*Current version*\n`v2.0.0`",
        "*Health*\n3 of 3 replicas ready, health check passes",
        "0.13% of 3,000 requests — Normal ✅, limit 0.65%",
        "• Downtime: None",
        "• Affected users: About 15% of users",
        "• Data lost: None",
        "Thank you, team",
    ):
        assert fact in said
    assert "then press “Resolve”" in message.text


@pytest.mark.parametrize(
    ("phase", "title", "status"),
    [
        (
            Phase.NOT_RECOVERED,
            "🔴 Rollback done, but the service is not recovered",
            "yet there are more errors than normal",
        ),
        (
            Phase.INCONCLUSIVE,
            "🟠 Rollback done, recovery not proven",
            "the figures do not prove that users are well",
        ),
        (Phase.STOPPED, "🔴 Rollback stopped before its end", "Not every step was done"),
    ],
)
def test_any_other_outcome_is_not_called_success(phase: Phase, title: str, status: str) -> None:
    said = shown(outcomes.completion_post(incident_in(phase), frame()))
    assert title in said
    assert status in said
    assert "successful" not in said
    assert "It is not over yet." in said


def test_a_stopped_rollback_says_what_users_get_now() -> None:
    before = shown(outcomes.completion_post(incident_in(Phase.STOPPED, done=1), frame()))
    assert "• The API server refused the patch." in before
    assert "• 1 of 3 steps are done" in before
    assert "`v2.1.0` still gets requests, as far as the bot knows" in before
    after = shown(outcomes.completion_post(incident_in(Phase.STOPPED, done=2), frame()))
    assert "New requests reach `v2.0.0`; `v2.1.0` may still serve open connections" in after


def test_the_last_post_tells_cause_actions_and_lessons() -> None:
    message = outcomes.resolved_post(incident_in(Phase.RESOLVED, report=False), frame())
    said = shown(message)
    for fact in (
        "✅ Resolved, recovery proven: checkout v2.1.0 → v2.0.0",
        "*Root cause*\n> A missing index made payments time out.",
        "• Load-test with production data",
        "• Went well: The switch took seconds.",
        "• To improve: The alert came late.",
        "*The withdrawn release:* Hotfix, tomorrow",
        "updates end here",
    ):
        assert fact in said
    assert "Root cause: A missing index" in message.text


def test_an_incident_without_a_rollback_claims_none() -> None:
    never = incident_in(Phase.RESOLVED, ends_as=Phase.REJECTED, report=False)
    said = shown(outcomes.resolved_post(never, frame()))
    assert "⚪ Resolved without a rollback" in said
    assert "*Rollback took*\nno rollback ran" in said


def test_the_report_comes_with_a_blameless_invitation() -> None:
    comment = outcomes.report_comment(incident_in(Phase.RESOLVED))
    assert comment.startswith("✅ Resolved, recovery proven: checkout")
    assert "post-mortem within 24 to 48 hours" in comment
    assert "not who did it" in comment


def test_the_report_names_the_post_mortem_once_there_is_a_slot() -> None:
    meeting = e.PostMortemScheduled(start=T0, minutes=60, zone="Europe/Berlin", people=())
    resolved = incident_in(Phase.RESOLVED).model_copy(update={"post_mortem": meeting})
    comment = outcomes.report_comment(resolved)
    assert "Come to the post-mortem at <!date^1773498000^" in comment
    assert "within 24 to 48 hours" not in comment


def test_a_watch_that_saw_it_worsen_offers_the_assessment() -> None:
    message = announcements.worsened("checkout", verdict(), figures(), since=T0)
    said = shown(message)
    assert "⚠️ checkout got worse: roll back now" in said
    assert "• Error rate 7.2% is above 5.0%" in said
    assert buttons(message)[ids.ASSESS]["value"] == "checkout"
    assert_message(message)


def test_a_quiet_watch_ends_with_its_figures() -> None:
    calm = figures(error_rate=0.002, latency_ms=220.0)
    message = announcements.still_fine("checkout", calm)
    assert "The watch of checkout has ended: nothing got worse." in shown(message)
    assert "0.20% of 1,250 requests (normal: 0.15%)" in shown(message)
    assert_message(message)


def test_unknown_figures_are_called_unknown_with_the_reason() -> None:
    blind = figures(error_rate=None, requests=None, latency_ms=None, problems=("No answer.",))
    incident = incident_in(Phase.PLANNING, assessment=assessment(figures=blind))
    said = shown(announcements.announcement(incident, frame()))
    assert "• Error rate: unknown" in said
    assert "• No answer." in said
