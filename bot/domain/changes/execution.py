"""The journal of an execution."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bot.domain import events as e
from bot.domain.changes.base import Changes, Table
from bot.domain.incident import Incident, Phase, StepRecord, Undoing
from bot.domain.plan import Milestone


def _executing(incident: Incident, event: e.ExecutionStarted, at: datetime) -> Changes:
    steps = incident.plan.steps if incident.plan else ()
    return {
        "phase": Phase.EXECUTING,
        "standing": None,
        "execution_started_at": at,
        "steps": tuple(StepRecord() for _ in steps),
        # The same plan may run twice, with an undo in between: each run is protected.
        "frozen_for": "",
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
        touched=True,
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
        "ran": _ran(incident),
    }


def _ran(incident: Incident) -> Undoing | None:
    """What can be taken back from now on: a run that changed nothing leaves the one before."""
    plan = incident.plan
    steps = plan.steps if plan else ()
    # A step that acted may have changed something, also where it failed.
    done = tuple(
        index
        for index, (step, record) in enumerate(zip(steps, incident.steps, strict=False))
        if step.changes and record.started_at and record.touched
    )
    if plan is None or not done:
        return incident.ran
    return Undoing(
        plan=plan,
        done=done,
        baseline=incident.baseline,
        baseline_note=incident.baseline_note,
        baselines=incident.baselines,
    )


CHANGES: Table = {
    e.ExecutionStarted: _executing,
    e.StepStarted: _step_started,
    e.StepFinished: _step_finished,
    e.StepFailed: lambda i, ev, at: _step(
        i, ev.index, failure=ev.what, remedy=ev.remedy, touched=ev.touched
    ),
    e.PauseRequested: lambda i, ev, at: {"paused_by": ev.by},
    e.ResumeRequested: lambda i, ev, at: {"paused_by": None},
    e.AbortRequested: lambda i, ev, at: {"abort_by": ev.by, "paused_by": None},
    e.ExecutionFinished: _finished,
}
