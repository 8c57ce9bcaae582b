"""The fold over events, and the table of what may happen when."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

import pytest

from bot.communication.state import headline
from bot.core.errors import RefusedError
from bot.incident import events as e
from bot.incident.alerts import HeardAlert
from bot.incident.approval import Approval
from bot.incident.duties import Duty, is_proven, owed
from bot.incident.fold import fold
from bot.incident.freeze import Freeze
from bot.incident.plan import Milestone
from bot.incident.state import Incident, Phase, StepRecord
from bot.incident.transitions import ALLOWED, advance, is_allowed
from bot.judge.counts import Judgement, RecoveryVerdict
from tests.incident.story import (
    ALICE,
    BASELINE,
    BOB,
    HEALTHY,
    NOON,
    PLAN,
    Story,
    complete,
    declaration,
)

BROKEN = ((600, 120),) * 10
SILENT = ((0, 0),) * 10


def executing() -> Story:
    story = Story().declared().planned().approved()
    return story.tell(e.ExecutionStarted(plan_hash=PLAN.hash))


def executed() -> Story:
    return Story().declared().planned().approved().executed()


def rejected() -> Story:
    return Story().declared().planned().tell(e.PlanRejected(by=BOB, reason="Wait for the fix."))


def stopped() -> Story:
    failed = e.ExecutionFinished(
        outcome=e.ExecutionOutcome.FAILED, what="The Service is gone.", remedy="Look for it."
    )
    return (
        executing()
        .tell(e.StepStarted(index=0))
        .tell(e.StepFailed(index=0, what="The Service is gone.", remedy="Look for it."))
        .tell(failed)
    )


IN_PHASE = {
    Phase.PLANNING: lambda: Story().declared(),
    Phase.PLANNING_FAILED: lambda: (
        Story().declared().tell(e.PlanningFailed(what="No candidate.", remedy="Name a release."))
    ),
    Phase.AWAITING_APPROVAL: lambda: Story().declared().planned(),
    Phase.REJECTED: rejected,
    Phase.APPROVED: lambda: Story().declared().planned().approved(),
    Phase.EXECUTING: executing,
    Phase.STOPPED: stopped,
    Phase.VERIFYING: executed,
    Phase.RECOVERED: lambda: executed().verified(*HEALTHY),
    Phase.NOT_RECOVERED: lambda: executed().verified(*BROKEN),
    Phase.INCONCLUSIVE: lambda: executed().verified(*SILENT),
    Phase.RESOLVED: complete,
}

JUDGEMENT = Judgement(
    verdict=RecoveryVerdict.INCONCLUSIVE, reasons=("no baseline",), requests=0, errors=0
)
EVENTS: tuple[e.AnyEvent, ...] = (
    declaration(),
    e.ChannelOpened(channel_id="C0NEW", channel_name="new"),
    e.TeamAssigned(roles=()),
    e.Noted(subject="topic", what="The topic could not be set."),
    e.EvidenceSaved(names=("a.log",)),
    e.PlanProposed(plan=PLAN, baseline=BASELINE),
    e.PlanningFailed(what="No candidate.", remedy="Name a release."),
    e.PlanRequested(by=BOB, target_release="v1.9.0"),
    e.UndoRequested(by=BOB),
    e.ApprovalGiven(approval=Approval(plan_hash=PLAN.hash, by=BOB, at=NOON)),
    e.BreakGlassUsed(by=ALICE, approver=BOB, plan_hash=PLAN.hash, standing="release manager"),
    e.PlanApproved(plan_hash=PLAN.hash),
    e.PlanRejected(by=BOB, reason="Wait."),
    e.ApprovalEscalated(plan_hash=PLAN.hash),
    e.PlanExpired(plan_hash=PLAN.hash),
    e.ExecutionStarted(plan_hash=PLAN.hash),
    e.StepStarted(index=0),
    e.StepFinished(index=0, outcome=e.StepOutcome.ACTED, summary="Switched."),
    e.StepFailed(index=0, what="Refused.", remedy="Look."),
    e.PauseRequested(by=BOB),
    e.ResumeRequested(by=BOB),
    e.AbortRequested(by=BOB),
    e.ExecutionFinished(outcome=e.ExecutionOutcome.SUCCEEDED),
    e.VerificationStarted(since=NOON, baseline=BASELINE),
    e.InstancesChecked(instances=(), health_ok=True, version=None),
    e.SampleTaken(offset_seconds=120, requests=10, errors=1),
    e.Judged(judgement=JUDGEMENT, buckets=()),
    e.VerificationRequested(by=BOB),
    e.WordsAdded(by=BOB, text="Nearly there."),
    e.UpdatePosted(number=1),
    e.Resolved(by=BOB, conclusion=e.Conclusion(root_cause="Pool", follow_up=e.FollowUp.HOTFIX)),
    e.ReportPublished(files=("report.md",)),
    e.VerificationExtended(until=NOON, unread_seconds=120),
    e.SmokeTested(results=(e.SmokeResult(name="log in", passed=True),)),
    e.CausesChecked(
        checks=(
            e.CauseCheck(
                cause=e.Cause.SCHEMA, finding=e.CauseFinding.UNKNOWN, evidence=("No database.",)
            ),
        )
    ),
    e.Relapsed(judgement=JUDGEMENT, since=NOON),
    e.ExternalHeld(by=BOB),
    e.ExternalFreed(by=BOB),
    e.ExternalDrafted(message=e.ExternalMessage.IDENTIFIED, text="We found it."),
    e.ExternalSent(message=e.ExternalMessage.IDENTIFIED, by=BOB),
    e.ExternalDiscarded(message=e.ExternalMessage.IDENTIFIED, by=BOB),
    e.Told(destination="statuspage:public", what="identified", reference="p31zjtct2jer"),
    e.ChangesCompared(base="v2.0.0", head="v2.1.0", url="https://git.example.com/compare"),
    e.PostMortemScheduled(start=NOON, minutes=60, zone="Europe/Berlin", people=(BOB,)),
    e.PostMortemReminded(),
    e.ActionFiled(index=0, url="https://git.example.com/issues/1"),
    e.ActionAsked(index=0),
    e.ActionDone(index=0, by=BOB),
    e.IssueGone(index=0, url="https://git.example.com/issues/1", deleted=True),
    e.ReleasePlanUpdated(where="docs/releases/v2.1.0.md"),
    e.FreezeSet(marks=("Deployment shop/checkout",)),
    e.FreezeLifted(by=BOB),
    e.AlertReceived(alerts=(HeardAlert(fingerprint="f", name="HighErrorRate", started_at=NOON),)),
)


def test_every_kind_of_event_has_an_example_here_and_a_line_in_the_table() -> None:
    union, _ = get_args(e.AnyEvent)
    kinds = set(get_args(union))
    assert {type(event) for event in EVENTS} == kinds
    assert set(ALLOWED) == kinds - {e.Declared}
    assert set(IN_PHASE) == set(Phase)


@pytest.mark.parametrize("phase", Phase)
def test_each_phase_is_reached_by_its_story(phase: Phase) -> None:
    assert IN_PHASE[phase]().incident.phase is phase


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_every_event_in_every_phase_is_applied_or_refused(event: e.AnyEvent, phase: Phase) -> None:
    incident = IN_PHASE[phase]().incident
    now = incident.changed_at + timedelta(seconds=1)
    if is_allowed(incident, type(event)):
        after = advance(incident, (event,), now)
        assert (after.seq, after.changed_at) == (incident.seq + 1, now)
        assert after != incident
    else:
        with pytest.raises(RefusedError, match=r"is not possible now|nothing to undo"):
            advance(incident, (event,), now)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_events_survive_the_store(event: e.AnyEvent) -> None:
    assert e.EVENT.validate_json(e.EVENT.dump_json(event)) == event


def test_an_event_of_a_newer_bot_is_read_without_the_fields_that_are_not_known() -> None:
    read = e.EVENT.validate_python({"kind": "step_started", "index": 1, "mood": "calm"})
    assert read == e.StepStarted(index=1)


def test_a_refused_event_leaves_nothing_behind_even_in_a_batch() -> None:
    incident = Story().declared().planned().incident
    approval = e.ApprovalGiven(approval=Approval(plan_hash=PLAN.hash, by=BOB, at=NOON))
    batch = (approval, e.ExecutionStarted(plan_hash=PLAN.hash))
    with pytest.raises(RefusedError, match="execution started"):
        advance(incident, batch, NOON)
    assert incident.approvals == ()


def test_an_incident_begins_with_its_declaration() -> None:
    with pytest.raises(ValueError, match="no events"):
        fold("INC-2026-001", [])
    stray = Story().tell(e.UpdatePosted(number=1))
    with pytest.raises(ValueError, match="begins with update_posted"):
        fold("INC-2026-001", stray.recorded)


def test_the_whole_journey_is_told_by_its_events() -> None:
    incident = complete().incident
    assert incident.phase is Phase.RESOLVED
    assert incident.seq == len(complete().recorded)
    assert incident.bad_release == "v2.1.0"
    assert list(incident.milestones) == [Milestone.SWITCHED, Milestone.DRAINED]
    assert incident.evidence_from == incident.milestones[Milestone.DRAINED]
    assert [sample.error_rate for sample in incident.samples] == [0.0, 0.0, 0.0]
    assert incident.current_step is None
    assert not incident.is_open


def test_folding_step_by_step_and_at_once_is_the_same() -> None:
    story = complete()
    incident = fold("INC-2026-001", story.recorded[:1])
    for item in story.recorded[1:]:
        incident = advance(incident, (item.event,), item.at)
    assert incident == story.incident


def test_a_resumed_step_keeps_its_first_start() -> None:
    story = executing().tell(e.StepStarted(index=0))
    begun = story.now
    story.tell(e.StepStarted(index=0), after=30)
    assert story.incident.steps[0] == StepRecord(started_at=begun, resumed=True)


def test_a_failed_step_that_is_tried_again_shows_no_old_failure() -> None:
    story = executing().tell(e.StepStarted(index=0))
    story.tell(e.StepFailed(index=0, what="Refused.", remedy="Look."))
    assert story.incident.steps[0].failure == "Refused."
    story.tell(e.StepStarted(index=0))
    assert story.incident.steps[0].failure == ""
    assert story.incident.current_step == 0


def test_a_new_plan_begins_with_nothing_of_the_old_one() -> None:
    story = stopped().tell(e.PlanRequested(by=BOB, target_release="v1.9.0"))
    incident = story.incident
    assert incident.phase is Phase.PLANNING
    assert incident.target_release == "v1.9.0"
    assert (incident.approvals, incident.steps, incident.execution) == ((), (), None)
    assert story.planned().incident.phase is Phase.AWAITING_APPROVAL


def test_a_plan_that_expired_is_planned_again_without_its_approvals() -> None:
    story = Story().declared().planned().tell(EVENTS[8]).tell(e.PlanExpired(plan_hash=PLAN.hash))
    assert (story.incident.phase, story.incident.approvals) == (Phase.PLANNING, ())


def test_judging_again_starts_from_new_evidence() -> None:
    story = executed().verified(*BROKEN).tell(e.VerificationRequested(by=ALICE))
    incident = story.incident
    assert incident.phase is Phase.VERIFYING
    assert (incident.verification, incident.samples, incident.judged) == (None, (), None)
    assert incident.evidence_from == story.now


def test_a_note_replaces_the_one_on_its_subject_and_an_empty_one_withdraws_it() -> None:
    story = Story().declared()
    story.tell(e.Noted(subject="topic", what="Not set.")).tell(e.Noted(subject="pin", what="No."))
    story.tell(e.Noted(subject="topic", what="Still not set."))
    assert [(n.subject, n.what) for n in story.incident.notes] == [
        ("pin", "No."),
        ("topic", "Still not set."),
    ]
    assert [n.subject for n in story.tell(e.Noted(subject="pin", what="")).incident.notes] == [
        "topic"
    ]


FROZEN = e.FreezeSet(
    marks=("Deployment shop/checkout",),
    freezes=(
        Freeze(
            service="checkout",
            incident_id="INC-2026-001",
            plan_hash=PLAN.hash,
            release="v2.1.0",
            until=NOON + timedelta(days=7),
        ),
    ),
)


def paused() -> Incident:
    return executing().tell(e.PauseRequested(by=BOB)).incident


@pytest.mark.parametrize(
    ("incident", "duty"),
    [
        (Story().tell(declaration()).incident, Duty.ASSEMBLE),
        (IN_PHASE[Phase.PLANNING]().incident, Duty.PREPARE),
        (IN_PHASE[Phase.AWAITING_APPROVAL]().incident, None),
        (IN_PHASE[Phase.APPROVED]().incident, Duty.EXECUTE),
        (executing().incident, Duty.EXECUTE),
        (paused(), None),
        (stopped().incident, None),
        (executed().incident, Duty.VERIFY),
        (IN_PHASE[Phase.RECOVERED]().incident, Duty.FREEZE),
        (IN_PHASE[Phase.RECOVERED]().tell(FROZEN).incident, None),
        (IN_PHASE[Phase.RECOVERED]().tell(FROZEN).tell(e.FreezeLifted()).incident, None),
        (complete().incident, Duty.FREEZE),
        (complete().tell(FROZEN).incident, Duty.REPORT),
        (complete().tell(e.ReportPublished(files=("report.md",))).incident, None),
    ],
)
def test_what_the_bot_owes_follows_from_the_events_alone(
    incident: Incident, duty: Duty | None
) -> None:
    assert owed(incident) is duty


def _relapsed(story: Story) -> Story:
    judged = story.incident.judged
    assert judged is not None
    return story.tell(e.Relapsed(judgement=judged.judgement, since=story.now), after=60)


def test_after_a_relapse_nothing_is_called_proven_and_no_freeze_is_owed_for_it() -> None:
    story = _relapsed(IN_PHASE[Phase.RECOVERED]())
    assert not is_proven(story.incident)
    assert owed(story.incident) is Duty.FIND_CAUSES
    again = story.resolved().incident
    assert (again.phase, is_proven(again)) == (Phase.RESOLVED, False)
    assert owed(again) is Duty.REPORT
    assert "without proof" in headline(again)


def test_the_same_plan_that_runs_a_second_time_is_protected_by_a_freeze_again() -> None:
    story = IN_PHASE[Phase.RECOVERED]().tell(FROZEN).tell(e.FreezeLifted())
    assert owed(story.incident) is None
    story.tell(e.UndoRequested(by=ALICE)).tell(e.PlanRequested(by=ALICE))
    story.planned().approved().executed().verified(*HEALTHY)
    assert owed(story.incident) is Duty.FREEZE
