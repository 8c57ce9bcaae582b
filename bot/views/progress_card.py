"""The execution, live: every step with its state."""

from __future__ import annotations

from bot.domain.events import ExecutionOutcome, StepOutcome
from bot.domain.incident import Incident, Phase, StepRecord
from bot.domain.plan import Step
from bot.domain.values import seconds_between, spoken
from bot.views import buttons
from bot.views.frame import Frame
from bot.views.kit import actions, compose, context, header, listing, section
from bot.views.markup import escape, inline, moment, people
from bot.views.message import Message
from bot.views.next_action import next_action
from bot.views.state import eta, journey

_DONE = {
    StepOutcome.ACTED: "✅ Done",
    StepOutcome.ALREADY: "⏭️ Was already so, nothing done",
    StepOutcome.CHECKED: "🔍 Checked, holds",
}
_ENDED = {
    ExecutionOutcome.SUCCEEDED: "✅ *All steps are done*",
    ExecutionOutcome.FAILED: "🔴 *Stopped: a step failed*",
    ExecutionOutcome.CONFLICT: "🔴 *Stopped: the live system is not what was approved*",
    ExecutionOutcome.ABORTED: "🛑 *Aborted*",
}


def progress_card(incident: Incident, frame: Frame) -> Message:
    """What has run, what runs, what is still to come."""
    said = f"Rollback steps: {journey(incident)}"
    outcome = _outcome(incident)
    plan = incident.plan.steps if incident.plan else ()
    pairs = zip(plan, incident.steps, strict=True)
    steps = [_line(n, step, record, incident) for n, (step, record) in enumerate(pairs, start=1)]
    running = incident.phase in {Phase.APPROVED, Phase.EXECUTING, Phase.STOPPED}
    action = [section(f"*Next:* {next_action(incident, frame)}")] if running else []
    blocks = [
        header(said),
        section(outcome),
        *listing("Steps", steps, most=3),
        *action,
        context(_small_print(incident)),
        *actions(buttons.for_progress(incident)),
    ]
    return compose(f"{incident.id}: {escape(said)}\n{outcome}", blocks)


def _outcome(incident: Incident) -> str:
    if incident.execution is None:
        return _running(incident)
    took = seconds_between(incident.execution_started_at, incident.execution_finished_at)
    after = f" after {spoken(took)}." if took is not None else "."
    told = f"{_ENDED[incident.execution.outcome]}{after}"
    if incident.execution.outcome is ExecutionOutcome.SUCCEEDED:
        return f"{told} That is not yet recovery: the recovery card shows the proof."
    return f"{told} {inline(incident.execution.what, 600, empty='')}".strip()


def _running(incident: Incident) -> str:
    done = sum(record.finished_at is not None for record in incident.steps)
    count = f"{done} of {len(incident.steps)} steps done"
    if incident.abort_by:
        return f"🛑 *Aborting at the next step boundary*, asked by {people((incident.abort_by,))}"
    if incident.paused_by:
        return f"⏸️ *Paused* by {people((incident.paused_by,))}, {count}"
    return f"🟣 *Running*: {count}, {eta(incident)}"


def _line(number: int, step: Step, record: StepRecord, incident: Incident) -> str:
    said = f"{number}. {inline(step.title, 160)} — {_state(step, record, incident)}"
    if record.failure:
        failure, remedy = inline(record.failure, 400), inline(record.remedy, 300, empty="")
        return f"{said}\n      {failure} {remedy}".rstrip()
    if record.summary:
        return f"{said}\n      {inline(record.summary, 250)}"
    return said


def _state(step: Step, record: StepRecord, incident: Incident) -> str:
    if record.finished_at and record.outcome:
        took = seconds_between(record.started_at, record.finished_at)
        return _DONE[record.outcome] + (f", {spoken(took)}" if took is not None else "")
    if record.failure:
        return "❌ Failed"
    if incident.execution is not None:
        return "⚪ Interrupted" if record.started_at else "⚪ Not run"
    if record.started_at:
        since = moment(record.started_at, "{time_secs}")
        return f"▶️ Running since {since}, usually {spoken(step.estimate_seconds)}"
    return f"⏳ Waiting, about {spoken(step.estimate_seconds)}"


def _small_print(incident: Incident) -> str:
    plan = f" · plan {incident.plan.hash[:12]}" if incident.plan else ""
    started = incident.execution_started_at
    since = f" · started {moment(started, '{time_secs}')}" if started else ""
    return f"{incident.id}{plan}{since}"
