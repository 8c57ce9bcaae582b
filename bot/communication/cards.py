"""The plan on the table: what would run, whether it is safe, and who has approved it."""

from __future__ import annotations

from slack_sdk.models.blocks import Block, ButtonElement

from bot.communication import buttons, figures
from bot.communication.blocks import (
    FACT,
    Message,
    actions,
    compose,
    context,
    facts,
    header,
    listing,
    section,
)
from bot.communication.external import hold_buttons, told_outside
from bot.communication.figures import latest
from bot.communication.frame import Frame
from bot.communication.markup import code, day, escape, inline, lines, moment, people, plain, quote
from bot.communication.next_action import next_action, until_when, who_approves
from bot.communication.state import (
    affected,
    checklist,
    eta,
    freeze_blocks,
    headline,
    journey,
    lead,
    members,
    severity,
    target_release,
)
from bot.core.values import amount, seconds_between, spoken
from bot.incident.approval import approvals_needed, expires_at
from bot.incident.duties import next_update_at
from bot.incident.events import ExecutionOutcome, Role, StepOutcome
from bot.incident.plan import Milestone, Plan, Preflight, PreflightVerdict, Step
from bot.incident.state import Incident, Phase, StepRecord

_VERDICTS = {
    PreflightVerdict.BLOCK: "🔴 Blocks",
    PreflightVerdict.WARN: "⚠️ Warning",
    PreflightVerdict.PASS: "✅ Passed",
}
_MILESTONES = {
    Milestone.SWITCHED: "from here on new requests reach the target release",
    Milestone.DRAINED: "from here on the bad release serves nobody",
}


def plan_card(incident: Incident, frame: Frame) -> Message:
    """What people approve; once decided it shows the outcome and no buttons.

    Raises ValueError when there is no plan.
    """
    plan = incident.plan
    if plan is None:
        raise ValueError(f"{incident.id} has no plan to show")
    kind = "Undo" if plan.undoes else "Plan"
    said = f"{kind}: {plain(plan.strategy, 30)} {journey(incident)}"
    outcome = _outcome(incident, plan, frame)
    steps = [_step(number, step) for number, step in enumerate(plan.steps, start=1)]
    blocks = [
        header(said),
        section(outcome),
        *facts(_facts(plan)),
        *listing("Steps", steps, limit=2_400, most=2),
        *listing("Preflights", _preflights(plan), limit=2_200),
        *_what_stays(plan),
        section(_proof(incident)),
        *_approvals(incident, plan, frame),
        context(_small_print(incident, plan)),
        *actions(buttons.for_plan(incident, plan)),
    ]
    return compose(f"{incident.id}: {escape(said)}\n{outcome}", blocks)


def _outcome(incident: Incident, plan: Plan, frame: Frame) -> str:
    if incident.approved_at:
        by = people(dict.fromkeys(a.by for a in incident.approvals))
        return f"🟢 *Approved* by {by} at {moment(incident.approved_at)}. Only this plan may run."
    if incident.rejection:
        by, reason = people((incident.rejection.by,)), quote(incident.rejection.reason, 600)
        return f"⚪ *Rejected* by {by}. Nothing was changed.\n{reason}"
    if incident.phase is Phase.AWAITING_APPROVAL:
        return _safety(plan)
    if incident.phase is Phase.RESOLVED:
        return "⚪ *Not run*: the incident was resolved without it."
    return _set_aside(incident, frame)


def _safety(plan: Plan) -> str:
    if not plan.is_safe:
        because = " ".join(inline(p.sentence, 250) for p in plan.blocks[:4])
        more = len(plan.blocks) - 4
        rest = f" … and {more} more, below" if more > 0 else ""
        return f"🔴 *Not safe, because:* {because}{rest}"
    warnings = sum(p.verdict is PreflightVerdict.WARN for p in plan.preflights)
    if warnings:
        return f"⚠️ *Safe to run, with {warnings} of {len(plan.preflights)} preflights warning.*"
    return f"✅ *Safe to run:* all {len(plan.preflights)} preflights pass."


def _set_aside(incident: Incident, frame: Frame) -> str:
    follows = "A new plan is made from the live system and follows as a new card."
    if incident.phase is Phase.PLANNING_FAILED:
        follows = next_action(incident, frame)
    if incident.escalated_at:
        return f"⚪ *Expired*: nobody approved it in time. {follows}"
    if incident.proposed_at and frame.now >= expires_at(frame.approval, incident.proposed_at):
        return f"⚪ *No longer valid*: it is too old. {follows}"
    return f"⚪ *Set aside*: a new plan was asked for. {follows}"


def _facts(plan: Plan) -> list[tuple[str, str]]:
    parts = [
        f"{inline(part.service, 40)}: {figures.release(part.from_release)} → "
        f"{figures.release(part.to_release)} ({inline(part.strategy, 40)})"
        for part in plan.parts
    ]
    return [
        ("From → to", f"{figures.release(plan.from_release)} → {figures.release(plan.to_release)}"),
        ("Method", inline(plan.strategy, 80)),
        (
            "Expected time",
            f"about {spoken(plan.expected_seconds)} in {amount(len(plan.steps), 'step')}",
        ),
        ("Downtime", inline(plan.downtime, 300)),
        ("Data lost", inline(plan.data_loss, 300)),
        ("Seen at", moment(plan.observed_at, "{time_secs}")),
        *([("Services", lines(parts, FACT))] if parts else []),
    ]


def _step(number: int, step: Step) -> str:
    notes = [f"about {spoken(step.estimate_seconds)}"]
    if not step.changes:
        notes.append("changes nothing")
    elif step.inverse is None:
        notes.append("cannot be taken back")
    if step.milestone:
        notes.append(_MILESTONES[step.milestone])
    command = code(step.command, 260) if step.command.strip() else "no shell command"
    return f"{number}. {inline(step.title, 160)} ({', '.join(notes)})\n      {command}"


def _preflights(plan: Plan) -> list[str]:
    worst_first = sorted(plan.preflights, key=lambda p: list(_VERDICTS).index(p.verdict))
    return [_preflight(preflight) for preflight in worst_first]


def _preflight(preflight: Preflight) -> str:
    said = inline(preflight.sentence, 250)
    return f"{_VERDICTS[preflight.verdict]} — *{inline(preflight.name, 60)}*: {said}"


def _what_stays(plan: Plan) -> list[Block]:
    gone = [f"• {inline(text, 200)}" for text in plan.not_reversible]
    left = [f"• {inline(text, 200)}" for text in plan.not_restored]
    return [
        *listing(
            "Cannot be taken back", gone or ["• Nothing: every step can be undone"], limit=900
        ),
        *listing("Stays as it is", left or ["• Nothing that we know of"], limit=900),
    ]


def _proof(incident: Incident) -> str:
    note = inline(incident.baseline_note, 300, empty="")
    if incident.baseline is None or incident.baseline.error_rate is None:
        return (
            "*Proof of recovery*\n⚠️ There is no baseline, so recovery cannot be proven from "
            f"metrics. {note}"
        )
    rate = figures.rate_text(incident.baseline.error_rate)
    return f"*Proof of recovery*\nJudged against a normal error rate of {rate}. {note}"


def _approvals(incident: Incident, plan: Plan, frame: Frame) -> list[Block]:
    given = {a.by.id: a for a in incident.approvals if a.plan_hash == plan.hash}
    told = [f"• {people((a.by,))} at {moment(a.at, '{time_secs}')}" for a in given.values()]
    title = f"Approvals: {len(given)} of {approvals_needed(frame.approval, plan)}"
    if incident.phase is Phase.AWAITING_APPROVAL:
        if plan.is_safe:
            told.append(f"{who_approves(incident, frame)} {until_when(incident, frame)}")
        else:
            told.append(next_action(incident, frame))
    return listing(title, told, limit=1_500) if told else []


def _small_print(incident: Incident, plan: Plan) -> str:
    return f"{incident.id} · plan {plan.hash[:12]} · an approval holds for exactly this plan"


# The execution, live: every step with its state.

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
    outcome = _run_outcome(incident)
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
        context(_progress_notes(incident)),
        *actions(buttons.for_progress(incident)),
    ]
    return compose(f"{incident.id}: {escape(said)}\n{outcome}", blocks)


def _run_outcome(incident: Incident) -> str:
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


def _progress_notes(incident: Incident) -> str:
    plan = f" · plan {incident.plan.hash[:12]}" if incident.plan else ""
    started = incident.execution_started_at
    since = f" · started {moment(started, '{time_secs}')}" if started else ""
    return f"{incident.id}{plan}{since}"


# The pinned card: where the incident stands, updated in place.


def status_card(incident: Incident, frame: Frame) -> Message:
    """Everything a person needs who comes in now."""
    said = headline(incident)
    action = next_action(incident, frame)
    blocks = [
        header(said),
        section(f"*Next:* {action}"),
        *facts(_status_facts(incident)),
        section(f"*Reason*\n{quote(incident.declared.decision.reason, 800)}"),
        *listing("Figures", latest(incident, frame)),
        *freeze_blocks(incident),
        *(listing("Prerequisites", _ticks(incident)) if incident.is_open else []),
        *_roles(incident),
        *listing("Told outside Slack", told_outside(incident)),
        *listing("Did not work, the journey goes on", _notes(incident), limit=2_500),
        context(_rhythm(incident, frame)),
        *actions([*buttons.for_status(incident), *_hold(incident, frame)]),
    ]
    return compose(f"{incident.id}: {escape(said)}\nNext: {action}", blocks)


def _hold(incident: Incident, frame: Frame) -> list[ButtonElement]:
    """Nothing to hold where the catalog names nobody outside, and nobody ever did."""
    return hold_buttons(incident) if frame.tells_customers or incident.outside else []


def _status_facts(incident: Incident) -> list[tuple[str, str]]:
    declared = incident.declared
    way = f"{figures.release(incident.bad_release)} → {figures.release(target_release(incident))}"
    method = incident.plan.strategy if incident.plan else declared.strategy or ""
    found = [
        ("Severity", severity(incident)),
        ("Service", inline(declared.service, 80)),
        ("Release", way),
        ("Method", inline(method, 80, empty="decided with the plan")),
        ("Incident lead", lead(incident)),
        ("Affected users", affected(incident)),
        ("Declared", f"{day(incident.opened_at)} by {people((declared.by,))}"),
        ("ETA", eta(incident)),
    ]
    if incident.resolved_at and incident.resolved_by:
        by = people((incident.resolved_by,))
        found.append(("Resolved", f"{day(incident.resolved_at)} by {by}"))
    return found


def _ticks(incident: Incident) -> list[str]:
    return [
        f"{'☑️' if done else '⬜'} {text}{'' if done else ' — open'}"
        for text, done in checklist(incident)
    ]


def _roles(incident: Incident) -> list[Block]:
    if incident.team is None:
        return [section("*Team*\nThe bot looks up who fills which role.")]
    told = [f"• {role.value}: {members(incident, role) or 'nobody yet'}" for role in Role]
    return listing("Team", told)


def _notes(incident: Incident) -> list[str]:
    # The newest first: older ones are the first to be folded away.
    return [
        f"• *{inline(note.subject, 80)}*: {inline(note.what)} {inline(note.remedy, empty='')}"
        for note in reversed(incident.notes)
    ]


def _rhythm(incident: Incident, frame: Frame) -> str:
    due = next_update_at(incident, frame.update_every)
    if due is None:
        return f"{incident.id} · updates have ended · the report has the whole story"
    # No time of drawing here: a card is sent again whenever it looks different.
    posted = f"{amount(incident.updates, 'update')} posted"
    return f"{incident.id} · {posted} · next update {moment(due)}"
