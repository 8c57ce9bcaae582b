"""What did not go as planned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bot.domain import events as e
from bot.domain.plan import Plan
from bot.domain.reporting.document import sentence
from bot.domain.reporting.timeline import step_title


def deviations(recorded: Sequence[e.Recorded]) -> list[str]:
    """What a reader of the plan would not expect, in order."""
    found: list[str] = []
    plan: Plan | None = None
    started: set[int] = set()
    for item in recorded:
        event = item.event
        text = ""
        if isinstance(event, e.PlanProposed):
            plan = event.plan
        elif isinstance(event, e.ExecutionStarted):
            started = set()
        elif isinstance(event, e.StepStarted):
            if event.index in started:
                text = f"{step_title(plan, event.index)} was taken up again after an interruption"
            started.add(event.index)
        elif type(event) in _WORDS:
            text = _WORDS[type(event)](event, plan)
        if text:
            found.append(f"{item.at:%H:%M:%S} UTC: {sentence(text)}")
    return found


def _step_finished(event: e.StepFinished, plan: Plan | None) -> str:
    if event.outcome is not e.StepOutcome.ALREADY:
        return ""
    return f"{step_title(plan, event.index)} was found done already, so nothing was changed"


def _ended(event: e.ExecutionFinished, plan: Plan | None) -> str:
    if event.outcome is e.ExecutionOutcome.SUCCEEDED:
        return ""
    return f"The execution ended before its last step ({event.outcome.value}): {event.what}"


def _requested(event: e.PlanRequested, plan: Plan | None) -> str:
    target = f" to {event.target_release}" if event.target_release else ""
    return f"{event.by.name} asked for a new plan{target}"


_WORDS: dict[type[e.Event], Callable[[Any, Plan | None], str]] = {
    e.StepFinished: _step_finished,
    e.StepFailed: lambda ev, plan: f"{step_title(plan, ev.index)} failed: {ev.what}",
    e.PauseRequested: lambda ev, plan: f"{ev.by.name} paused the execution",
    e.ResumeRequested: lambda ev, plan: f"{ev.by.name} let the execution go on",
    e.AbortRequested: lambda ev, plan: f"{ev.by.name} aborted the execution",
    e.ExecutionFinished: _ended,
    e.PlanningFailed: lambda ev, plan: f"No plan could be made: {ev.what}",
    e.PlanRequested: _requested,
    e.UndoRequested: lambda ev, plan: f"{ev.by.name} asked to undo the rollback",
    e.BreakGlassUsed: lambda ev, plan: (
        f"BREAK-GLASS: {ev.approver.name} ({ev.standing}) approved at the terminal of "
        f"{ev.by.name}, without Slack: who typed it is not proven"
    ),
    e.PlanRejected: lambda ev, plan: f"{ev.by.name} rejected the plan: {ev.reason}",
    e.PlanExpired: lambda ev, plan: "The plan expired without enough approvals, to be made anew",
    e.ApprovalEscalated: lambda ev, plan: (
        "Nobody answered in time, so on-call leads were allowed to approve"
    ),
    e.VerificationRequested: lambda ev, plan: f"{ev.by.name} asked to judge the recovery again",
    e.Relapsed: lambda ev, plan: "After the proven recovery the service got worse again",
}
