"""An incident's state: a pure fold over its events."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from bot.domain import events as e
from bot.domain.approval import Approval
from bot.domain.plan import Milestone, Plan
from bot.domain.recovery import Baseline, RecoveryVerdict
from bot.domain.values import Actor, Instant, Value


class Phase(StrEnum):
    """Where the journey stands."""

    PLANNING = "planning"
    PLANNING_FAILED = "planning_failed"
    AWAITING_APPROVAL = "awaiting_approval"
    REJECTED = "rejected"
    APPROVED = "approved"
    EXECUTING = "executing"
    STOPPED = "stopped"
    """The execution ended before its last step: failed, aborted, or in conflict."""
    VERIFYING = "verifying"
    RECOVERED = "recovered"
    NOT_RECOVERED = "not_recovered"
    INCONCLUSIVE = "inconclusive"
    RESOLVED = "resolved"


class StepRecord(Value):
    """What happened to one step of the running plan."""

    started_at: Instant | None = None
    finished_at: Instant | None = None
    outcome: e.StepOutcome | None = None
    resumed: bool = False
    """Whether it was interrupted, so that its time includes an outage of the bot."""
    summary: str = ""
    failure: str = ""
    remedy: str = ""


class Sample(Value):
    """One row of the recovery table."""

    at: Instant
    offset_seconds: float
    requests: int
    errors: int
    latency_ms: float | None = None
    problem: str = ""

    @property
    def error_rate(self) -> float | None:
        """Errors per request; None without requests."""
        return self.errors / self.requests if self.requests else None


class Undoing(Value):
    """A plan whose done steps are to be taken back."""

    plan: Plan
    done: tuple[int, ...]
    """Indexes of the steps that changed something, in the order in which they did."""


class Incident(Value):
    """Everything known about one incident at one moment."""

    id: str
    seq: int
    """Sequence number of the last event: what the next append expects."""
    phase: Phase
    opened_at: Instant
    changed_at: Instant
    declared: e.Declared
    channel: e.ChannelOpened | None = None
    team: tuple[e.RoleAssignment, ...] | None = None
    notes: tuple[e.Noted, ...] = ()
    evidence: tuple[str, ...] = ()
    target_release: str | None = None
    """The target asked for; None leaves the choice to the plan."""
    plan: Plan | None = None
    undoing: Undoing | None = None
    """What the next plan is to take back; None for an ordinary plan."""
    proposed_at: Instant | None = None
    baseline: Baseline | None = None
    baseline_note: str = ""
    planning_failure: e.PlanningFailed | None = None
    approvals: tuple[Approval, ...] = ()
    break_glass: tuple[e.BreakGlassUsed, ...] = ()
    """Every approval that was taken at the terminal, also of earlier plans."""
    escalated_at: Instant | None = None
    approved_at: Instant | None = None
    rejection: e.PlanRejected | None = None
    execution_started_at: Instant | None = None
    steps: tuple[StepRecord, ...] = ()
    milestones: dict[Milestone, Instant] = Field(default_factory=dict)
    paused_by: Actor | None = None
    abort_by: Actor | None = None
    execution: e.ExecutionFinished | None = None
    execution_finished_at: Instant | None = None
    evidence_from: Instant | None = None
    """From when on measurements count: the end of the drain, or a later request to verify."""
    verification: e.VerificationStarted | None = None
    instances: e.InstancesChecked | None = None
    samples: tuple[Sample, ...] = ()
    judged: e.Judged | None = None
    judged_at: Instant | None = None
    words: tuple[e.WordsAdded, ...] = ()
    """Words waiting for the next update."""
    updates: int = 0
    updated_at: Instant | None = None
    conclusion: e.Conclusion | None = None
    resolved_by: Actor | None = None
    resolved_at: Instant | None = None
    report: e.ReportPublished | None = None

    @property
    def is_open(self) -> bool:
        """Whether the incident still needs people."""
        return self.phase is not Phase.RESOLVED

    @property
    def has_place(self) -> bool:
        """Whether its people have somewhere to read and decide."""
        return self.channel is not None or self.declared.place is e.Place.TERMINAL

    @property
    def bad_release(self) -> str:
        """The release that is being withdrawn."""
        return self.plan.from_release if self.plan else self.declared.bad_release

    @property
    def current_step(self) -> int | None:
        """Index of the first step that is not finished; None when there is none."""
        for index, record in enumerate(self.steps):
            if record.finished_at is None:
                return index
        return None


def fold(incident_id: str, recorded: Iterable[e.Recorded]) -> Incident:
    """Rebuild an incident from all its events, oldest first.

    Raises ValueError when the list does not begin with a declaration.
    """
    incident: Incident | None = None
    for item in recorded:
        incident = apply(incident_id, incident, item)
    if incident is None:
        raise ValueError(f"{incident_id} has no events")
    return incident


def apply(incident_id: str, incident: Incident | None, item: e.Recorded) -> Incident:
    """The state after one more event."""
    event, at = item.event, item.at
    if incident is None:
        if not isinstance(event, e.Declared):
            raise ValueError(f"{incident_id} begins with {event.kind}, not with its declaration")
        return Incident(
            id=incident_id,
            seq=item.seq,
            phase=Phase.PLANNING,
            opened_at=at,
            changed_at=at,
            declared=event,
            target_release=event.target_release,
        )
    changes = _CHANGES[type(event)](incident, event, at)
    return incident.model_copy(update={**changes, "seq": item.seq, "changed_at": at})


Changes = dict[str, Any]


def _noted(incident: Incident, event: e.Noted, at: datetime) -> Changes:
    others = tuple(n for n in incident.notes if n.subject != event.subject)
    return {"notes": (*others, event) if event.what else others}


def _planned(incident: Incident, event: e.PlanProposed, at: datetime) -> Changes:
    return {
        **_FRESH_EXECUTION,
        "phase": Phase.AWAITING_APPROVAL,
        "plan": event.plan,
        "baseline": event.baseline,
        "baseline_note": event.baseline_note,
        "proposed_at": at,
        "planning_failure": None,
        "undoing": None,
    }


def _plan_requested(incident: Incident, event: e.PlanRequested, at: datetime) -> Changes:
    return {
        **_FRESH_EXECUTION,
        "phase": Phase.PLANNING,
        "undoing": None,
        "target_release": event.target_release or incident.target_release,
    }


def _undo_requested(incident: Incident, event: e.UndoRequested, at: datetime) -> Changes:
    done = tuple(
        index
        for index, record in enumerate(incident.steps)
        if record.started_at and incident.plan and incident.plan.steps[index].changes
    )
    undoing = Undoing(plan=incident.plan, done=done) if incident.plan else None
    return {**_FRESH_EXECUTION, "phase": Phase.PLANNING, "undoing": undoing}


def _executing(incident: Incident, event: e.ExecutionStarted, at: datetime) -> Changes:
    steps = incident.plan.steps if incident.plan else ()
    return {
        "phase": Phase.EXECUTING,
        "execution_started_at": at,
        "steps": tuple(StepRecord() for _ in steps),
    }


def _step(incident: Incident, index: int, **changes: Any) -> Changes:
    steps = list(incident.steps)
    steps[index] = steps[index].model_copy(update=changes)
    return {"steps": tuple(steps)}


def _step_started(incident: Incident, event: e.StepStarted, at: datetime) -> Changes:
    # A resumed step keeps its first start: its duration includes the outage of the bot.
    before = incident.steps[event.index].started_at
    return _step(
        incident,
        event.index,
        started_at=before or at,
        resumed=before is not None,
        failure="",
        remedy="",
    )


def _step_finished(incident: Incident, event: e.StepFinished, at: datetime) -> Changes:
    changes = _step(
        incident, event.index, finished_at=at, outcome=event.outcome, summary=event.summary
    )
    milestone = incident.plan.steps[event.index].milestone if incident.plan else None
    if milestone:
        changes["milestones"] = {**incident.milestones, milestone: at}
    return changes


def _finished(incident: Incident, event: e.ExecutionFinished, at: datetime) -> Changes:
    succeeded = event.outcome is e.ExecutionOutcome.SUCCEEDED
    return {
        "phase": Phase.VERIFYING if succeeded else Phase.STOPPED,
        "execution": event,
        "execution_finished_at": at,
        "evidence_from": incident.milestones.get(Milestone.DRAINED, at),
        "paused_by": None,
    }


def _sampled(incident: Incident, event: e.SampleTaken, at: datetime) -> Changes:
    sample = Sample(at=at, **event.model_dump(exclude={"kind"}))
    return {"samples": (*incident.samples, sample)}


_PHASE_OF_VERDICT = {
    RecoveryVerdict.RECOVERED: Phase.RECOVERED,
    RecoveryVerdict.NOT_RECOVERED: Phase.NOT_RECOVERED,
    RecoveryVerdict.INCONCLUSIVE: Phase.INCONCLUSIVE,
}


def _judged(incident: Incident, event: e.Judged, at: datetime) -> Changes:
    phase = _PHASE_OF_VERDICT[event.judgement.verdict]
    return {"phase": phase, "judged": event, "judged_at": at}


_FRESH_VERIFICATION: Changes = {
    "verification": None,
    "instances": None,
    "samples": (),
    "judged": None,
    "judged_at": None,
}
_FRESH_EXECUTION: Changes = {
    **_FRESH_VERIFICATION,
    "approvals": (),
    "escalated_at": None,
    "approved_at": None,
    "rejection": None,
    "execution_started_at": None,
    "steps": (),
    "milestones": {},
    "paused_by": None,
    "abort_by": None,
    "execution": None,
    "execution_finished_at": None,
    "evidence_from": None,
}

_CHANGES: dict[type[e.Event], Callable[[Incident, Any, datetime], Changes]] = {
    e.ChannelOpened: lambda i, ev, at: {"channel": ev},
    e.TeamAssigned: lambda i, ev, at: {"team": ev.roles},
    e.Noted: _noted,
    e.EvidenceSaved: lambda i, ev, at: {"evidence": (*i.evidence, *ev.names)},
    e.PlanProposed: _planned,
    e.PlanningFailed: lambda i, ev, at: {"phase": Phase.PLANNING_FAILED, "planning_failure": ev},
    e.PlanRequested: _plan_requested,
    e.UndoRequested: _undo_requested,
    e.ApprovalGiven: lambda i, ev, at: {"approvals": (*i.approvals, ev.approval)},
    e.BreakGlassUsed: lambda i, ev, at: {"break_glass": (*i.break_glass, ev)},
    e.PlanApproved: lambda i, ev, at: {"phase": Phase.APPROVED, "approved_at": at},
    e.PlanRejected: lambda i, ev, at: {"phase": Phase.REJECTED, "rejection": ev},
    e.ApprovalEscalated: lambda i, ev, at: {"escalated_at": at},
    e.PlanExpired: lambda i, ev, at: {"phase": Phase.PLANNING, "approvals": ()},
    e.ExecutionStarted: _executing,
    e.StepStarted: _step_started,
    e.StepFinished: _step_finished,
    e.StepFailed: lambda i, ev, at: _step(i, ev.index, failure=ev.what, remedy=ev.remedy),
    e.PauseRequested: lambda i, ev, at: {"paused_by": ev.by},
    e.ResumeRequested: lambda i, ev, at: {"paused_by": None},
    e.AbortRequested: lambda i, ev, at: {"abort_by": ev.by, "paused_by": None},
    e.ExecutionFinished: _finished,
    e.VerificationStarted: lambda i, ev, at: {"verification": ev},
    e.InstancesChecked: lambda i, ev, at: {"instances": ev},
    e.SampleTaken: _sampled,
    e.Judged: _judged,
    e.VerificationRequested: lambda i, ev, at: {
        **_FRESH_VERIFICATION,
        "phase": Phase.VERIFYING,
        "evidence_from": at,
    },
    e.WordsAdded: lambda i, ev, at: {"words": (*i.words, ev)},
    e.UpdatePosted: lambda i, ev, at: {"updates": ev.number, "updated_at": at, "words": ()},
    e.Resolved: lambda i, ev, at: {
        "phase": Phase.RESOLVED,
        "conclusion": ev.conclusion,
        "resolved_by": ev.by,
        "resolved_at": at,
    },
    e.ReportPublished: lambda i, ev, at: {"report": ev},
}
