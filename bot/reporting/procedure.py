"""Chapter 3, first parts: what was planned, what was done, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bot.core.values import seconds_between, spoken
from bot.incident import events as e
from bot.incident.duties import recovered_at, relapsed_at
from bot.incident.plan import Milestone, Plan
from bot.incident.state import Incident, StepRecord
from bot.reporting.document import (
    Block,
    Code,
    Section,
    clock_time,
    items,
    paragraph,
    sentence,
    table,
)
from bot.reporting.history import Numbers, told
from bot.reporting.timeline import step_title

# What did not go as planned.


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


def plan_section(incident: Incident) -> Section:
    """3.1: the plan that was last on the table, with what it was checked against."""
    plan, failure = incident.plan, incident.planning_failure
    blocks: list[Block] = []
    if failure:
        blocks.append(paragraph(f"No plan could be made: {sentence(failure.what)}", failure.remedy))
    if plan:
        blocks += _plan(plan)
    return Section(
        number="3.1",
        title="Rollback Plan",
        blocks=tuple(blocks) or (paragraph("No plan was made before the incident was resolved."),),
    )


def _plan(plan: Plan) -> Iterator[Block]:
    yield paragraph(
        f"Strategy {plan.strategy}, from {plan.from_release} to {plan.to_release}, expected to "
        f"take {spoken(plan.expected_seconds)}; planned downtime: {sentence(plan.downtime)} "
        f"Planned on the live system as it was at {clock_time(plan.observed_at)}.",
        f"The plan's hash is {plan.hash}.",
    )
    yield table(
        "#",
        "Step",
        "Expected",
        rows=[
            (str(number), step.title, spoken(step.estimate_seconds))
            for number, step in enumerate(plan.steps, start=1)
        ],
    )
    commands = (
        f"# {number}. {step.title}\n{step.command}" for number, step in enumerate(plan.steps, 1)
    )
    yield paragraph("The same by hand:")
    yield Code(text="\n".join(commands), language="sh")
    if plan.preflights:
        yield table(
            "Preflight",
            "Result",
            "Finding",
            rows=[(p.name, p.verdict.value, p.sentence) for p in plan.preflights],
        )
    if plan.not_reversible:
        yield items(*(f"Cannot be taken back: {sentence(text)}" for text in plan.not_reversible))
    if plan.not_restored:
        yield items(*(f"Not restored: {sentence(text)}" for text in plan.not_restored))


def execution(incident: Incident, recorded: Sequence[e.Recorded]) -> Section:
    """3.2: every step of the last plan, then everything that was not as planned."""
    blocks: list[Block] = []
    if incident.plan and incident.execution_started_at:
        rows = [
            (str(number), step.title, *_step(record))
            for number, (step, record) in enumerate(
                zip(incident.plan.steps, incident.steps, strict=False), start=1
            )
        ]
        header = ("#", "Step", "Started (UTC)", "Took", "Result", "Finding")
        blocks.append(table(*header, rows=rows))
    else:
        blocks.append(paragraph("No step was executed."))
    found = deviations(recorded)
    if found:
        blocks += [paragraph("Deviations from the plan:"), items(*found)]
    elif incident.execution_started_at:
        blocks.append(paragraph("The plan was executed without a deviation."))
    return Section(number="3.2", title="Rollback Execution", blocks=tuple(blocks))


def _step(record: StepRecord) -> tuple[str, ...]:
    took = seconds_between(record.started_at, record.finished_at)
    if record.outcome:
        result = {
            e.StepOutcome.ACTED: "done",
            e.StepOutcome.ALREADY: "was done already",
            e.StepOutcome.CHECKED: "checked",
        }[record.outcome]
    elif record.failure:
        result = "failed"
    else:
        result = "not finished" if record.started_at else "not started"
    finding = record.summary or f"{sentence(record.failure)} {record.remedy}".strip() or "–"
    started = f"{record.started_at:%H:%M:%S}" if record.started_at else "–"
    return started, "–" if took is None else spoken(took), result, finding


def times(incident: Incident, numbers: Numbers) -> Section:
    """3.3: the moments, then the durations between them."""
    took = numbers.timings
    last = incident.judged_at or incident.execution_finished_at
    moments = [
        *([("Detected by an alert", numbers.detected_at)] if numbers.detected_by else []),
        ("Assessment opened", incident.declared.assessed_at),
        ("Start time: incident declared", incident.opened_at),
        ("Plan on the table", incident.proposed_at),
        ("Plan approved", incident.approved_at),
        ("Execution started", incident.execution_started_at),
        ("Traffic switched", incident.milestones.get(Milestone.SWITCHED)),
        ("Bad release drained", incident.milestones.get(Milestone.DRAINED)),
        ("Execution finished", incident.execution_finished_at),
        ("Recovery proven", recovered_at(incident)),
        ("End time: last result", last),
        *([("Relapse found", relapsed_at(incident))] if relapsed_at(incident) else []),
        ("Incident resolved", incident.resolved_at),
    ]
    durations = [
        ("Assessment to declaration", took.decide),
        ("Plan to approval", took.approve),
        ("Approval to traffic switched", took.switch),
        ("Switched to drained", took.drain),
        ("Execution", took.execute),
        ("Declaration to proven recovery", took.recover),
        ("Declaration to resolution", took.resolve),
    ]
    return Section(
        number="3.3",
        title="Rollback Time",
        blocks=(
            table(
                "Moment",
                "Time",
                rows=[(name, clock_time(at) if at else "did not happen") for name, at in moments],
            ),
            table(
                "Duration",
                "Took",
                rows=[
                    ("Until detected", told(took.detect, numbers.detected_from)),
                    *(
                        (name, "did not happen" if value is None else spoken(value))
                        for name, value in durations
                    ),
                ],
            ),
        ),
    )
