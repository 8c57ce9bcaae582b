"""The run of a plan and its proof in the words of the timeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.domain import events as e
from bot.domain.assessment import percent
from bot.domain.plan import Plan
from bot.domain.reporting.document import sentence
from bot.domain.values import spoken


def step_title(plan: Plan | None, index: int) -> str:
    """``Step 2 (Switch the Service)``; the bare number when the plan is not known."""
    if plan is None or index >= len(plan.steps):
        return f"Step {index + 1}"
    return f"Step {index + 1} ({plan.steps[index].title})"


def _finished(event: e.StepFinished, plan: Plan | None) -> str:
    how = {
        e.StepOutcome.ACTED: "done",
        e.StepOutcome.ALREADY: "found done already",
        e.StepOutcome.CHECKED: "checked",
    }[event.outcome]
    return f"{step_title(plan, event.index)} {how}: {event.summary}"


def _failed(event: e.StepFailed, plan: Plan | None) -> str:
    return f"{step_title(plan, event.index)} failed: {sentence(event.what)} {event.remedy}"


def _ended(event: e.ExecutionFinished, plan: Plan | None) -> str:
    if event.outcome is e.ExecutionOutcome.SUCCEEDED:
        return "Execution finished: every step reached its end state"
    return f"Execution ended ({event.outcome.value}): {sentence(event.what)} {event.remedy}"


def _verifying(event: e.VerificationStarted, plan: Plan | None) -> str:
    return f"Verification started. {sentence(event.baseline_note)}"


def _instances(event: e.InstancesChecked, plan: Plan | None) -> str:
    ready = sum(instance.ready for instance in event.instances)
    return f"Replicas checked: {ready} of {len(event.instances)} ready. {'; '.join(event.problems)}"


def _sampled(event: e.SampleTaken, plan: Plan | None) -> str:
    offset = spoken(event.offset_seconds)
    if not event.requests:
        return f"After {offset} nothing was measured. {event.problem}"
    rate = percent(event.errors / event.requests)
    return f"After {offset}: {event.errors} of {event.requests} requests failed ({rate})"


def _judged(event: e.Judged, plan: Plan | None) -> str:
    return f"Judged {event.judgement.verdict.value}: {'; '.join(event.judgement.reasons)}"


RUN: dict[type[e.Event], Callable[[Any, Plan | None], str]] = {
    e.ExecutionStarted: lambda ev, plan: f"Execution of plan {ev.plan_hash[:12]} started",
    e.StepStarted: lambda ev, plan: f"{step_title(plan, ev.index)} started",
    e.StepFinished: _finished,
    e.StepFailed: _failed,
    e.PauseRequested: lambda ev, plan: "Pause requested",
    e.ResumeRequested: lambda ev, plan: "Execution resumed",
    e.AbortRequested: lambda ev, plan: "Abort requested",
    e.ExecutionFinished: _ended,
    e.VerificationStarted: _verifying,
    e.InstancesChecked: _instances,
    e.SampleTaken: _sampled,
    e.Judged: _judged,
    e.VerificationRequested: lambda ev, plan: "A new verification was requested",
}
