"""Every event of an incident in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bot.core.values import Instant, Value, amount, spoken
from bot.incident import events as e
from bot.incident.assessment import percent
from bot.incident.external import label_of
from bot.incident.plan import Plan
from bot.incident.state import Incident
from bot.reporting import history
from bot.reporting.document import (
    Block,
    Section,
    at_the_declaration,
    clock_time,
    paragraph,
    received,
    sentence,
    table,
)

# What follows an execution, in words: proof, relapses, messages to customers, paperwork.

CAUSES = {
    e.Cause.NOT_DEPLOYED: "The old version does not serve everywhere",
    e.Cause.SCHEMA: "The database does not fit the old version",
    e.Cause.DEPENDENCY: "Something that the service needs fails",
    e.Cause.OTHER_SERVICE: "Another service fails too",
    e.Cause.NOT_THE_RELEASE: "The release is not the cause",
}


def _extended(event: e.VerificationExtended, plan: Plan | None) -> str:
    return (
        f"Nothing was read for {spoken(event.unread_seconds)}, so it is measured on until "
        f"{clock_time(event.until)}"
    )


def _smoke(event: e.SmokeTested, plan: Plan | None) -> str:
    failed = [result for result in event.results if not result.passed]
    passed = len(event.results) - len(failed)
    what = "; ".join(f"{result.name}: {result.what}" for result in failed)
    return f"Smoke tests: {passed} of {len(event.results)} passed. {sentence(what)}"


def _causes(event: e.CausesChecked, plan: Plan | None) -> str:
    found = "; ".join(f"{CAUSES[check.cause]}: {check.finding.value}" for check in event.checks)
    return f"Known causes checked: {found}"


def _relapsed(event: e.Relapsed, plan: Plan | None) -> str:
    counted = event.judgement
    worse = ", ".join(event.services) or "the service"
    return (
        f"RELAPSE: {worse} got worse again, {counted.errors} of {counted.requests} requests "
        f"failed since {clock_time(event.since)}: {'; '.join(counted.reasons)}"
    )


def _sent(event: e.ExternalSent, plan: Plan | None) -> str:
    words = f": {event.text}" if event.text else ", in the template's words"
    return f"Message to customers “{event.message.value}” sent{words}"


def _compared(event: e.ChangesCompared, plan: Plan | None) -> str:
    return (
        f"Changes of {event.head} since {event.base} looked up: {history.changed(event)} "
        f"({event.url})"
    )


def _scheduled(event: e.PostMortemScheduled, plan: Plan | None) -> str:
    people = ", ".join(person.name for person in event.people) or "nobody"
    return (
        f"Post-mortem scheduled for {clock_time(event.start)}, {spoken(event.minutes * 60)}, "
        f"with {people}"
    )


def _frozen(event: e.FreezeSet, plan: Plan | None) -> str:
    where = ", ".join(event.marks) or "nothing"
    return f"Deploy freeze set on {where}. {sentence('; '.join(event.problems))}"


AFTERMATH: dict[type[e.Event], Callable[[Any, Plan | None], str]] = {
    e.VerificationExtended: _extended,
    e.SmokeTested: _smoke,
    e.CausesChecked: _causes,
    e.Relapsed: _relapsed,
    e.ExternalHeld: lambda ev, plan: "Messages to customers wait for a person from now on",
    e.ExternalFreed: lambda ev, plan: "Messages to customers go out by themselves again",
    e.ExternalDrafted: lambda ev, plan: (
        f"Message to customers “{ev.message.value}” drafted: {ev.text}"
    ),
    e.ExternalSent: _sent,
    e.ExternalDiscarded: lambda ev, plan: f"Message to customers “{ev.message.value}” discarded",
    e.Told: lambda ev, plan: (
        f"{label_of(ev.destination)} took “{ev.what}”{f' ({ev.reference})' if ev.reference else ''}"
    ),
    e.ChangesCompared: _compared,
    e.PostMortemScheduled: _scheduled,
    e.PostMortemReminded: lambda ev, plan: "The channel was reminded of the post-mortem",
    e.ActionFiled: lambda ev, plan: f"Corrective action {ev.index + 1} filed: {ev.url}",
    e.ActionAsked: lambda ev, plan: f"Asked how corrective action {ev.index + 1} stands",
    e.ActionDone: lambda ev, plan: f"Corrective action {ev.index + 1} is done",
    e.IssueGone: lambda ev, plan: (
        f"Corrective action {ev.index + 1}: its issue {ev.url} "
        + ("was deleted; it is taken for dropped" if ev.deleted else "is not to be seen any more")
    ),
    e.ReleasePlanUpdated: lambda ev, plan: f"Rollback summary written to {ev.where}",
    e.FreezeSet: _frozen,
    e.FreezeLifted: lambda ev, plan: "Deploy freeze lifted",
}


# The run of a plan and its proof in the words of the timeline.


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


class Moment(Value):
    """One event, told."""

    at: Instant
    who: str
    """The person who caused it; empty when the bot did."""
    text: str


def timeline(recorded: Sequence[e.Recorded]) -> tuple[Moment, ...]:
    """All events in order, one moment each; steps are called by their titles in the plan of
    their time, and the declaration names the alerts that fired before it.
    """
    moments, plan = [], None
    for item in recorded:
        if isinstance(item.event, e.PlanProposed):
            plan = item.event.plan
        text = told(item.event, plan)
        if isinstance(item.event, e.Declared) and item.event.alerts:
            alerted = at_the_declaration(item.event, _released_at(recorded))
            text = f"{sentence(text)} {alerted}"
        moments.append(Moment(at=item.at, who=actor_of(item.event), text=sentence(text)))
    return tuple(moments)


def _released_at(recorded: Sequence[e.Recorded]) -> Instant | None:
    """When the bad release began to serve, as the first plan that knew it saw it."""
    proposed = [item.event for item in recorded if isinstance(item.event, e.PlanProposed)]
    bad = proposed[-1].plan.from_release if proposed else ""
    known = (
        event.released_at
        for event in proposed
        if event.released_at and not event.plan.undoes and event.plan.from_release == bad
    )
    return next(known, None)


def told(event: e.AnyEvent, plan: Plan | None) -> str:
    """One event in words; ``plan`` is the one on the table at its time."""
    words = WORDS.get(type(event))
    # An event that nobody has found words for yet is no reason to go without a report.
    return words(event, plan) if words else event.kind.replace("_", " ")


def actor_of(event: e.AnyEvent) -> str:
    """Name of the person who caused an event; empty for the bot."""
    by = event.approval.by if isinstance(event, e.ApprovalGiven) else getattr(event, "by", None)
    return "" if by is None or by.is_bot else str(by.name)


def _declared(event: e.Declared, plan: Plan | None) -> str:
    verdict = event.verdict
    where = " at the terminal, without Slack" if event.place is e.Place.TERMINAL else ""
    return (
        f"Incident declared{where} for {event.service} {event.bad_release}: "
        f"{verdict.severity.value} "
        f"({verdict.severity.priority}), verdict “{verdict.kind.value}”. {event.decision.reason}"
    )


def _channel(event: e.ChannelOpened, plan: Plan | None) -> str:
    if event.dedicated:
        return f"Incident channel #{event.channel_name} opened. {sentence(event.note)}"
    return f"The incident runs in #{event.channel_name}. {sentence(event.note)}"


def _team(event: e.TeamAssigned, plan: Plan | None) -> str:
    filled = [
        f"{assigned.role.value}: {', '.join(person.name for person in assigned.people) or 'nobody'}"
        for assigned in event.roles
    ]
    return f"Team assembled: {'; '.join(filled) or 'the catalog names nobody'}"


def _noted(event: e.Noted, plan: Plan | None) -> str:
    if not event.what:
        return f"A note no longer holds: {event.subject}"
    return f"Noted ({event.subject}): {sentence(event.what)} {event.remedy}"


def _evidence(event: e.EvidenceSaved, plan: Plan | None) -> str:
    return f"Evidence saved: {', '.join(event.names)}" if event.names else "No evidence to save"


def _proposed(event: e.PlanProposed, plan: Plan | None) -> str:
    made = event.plan
    safe = "" if made.is_safe else f" It is blocked by: {', '.join(p.name for p in made.blocks)}."
    return (
        f"Plan {made.hash[:12]} proposed: {made.strategy}, {made.from_release} → "
        f"{made.to_release}, {amount(len(made.steps), 'step')}, "
        f"about {spoken(made.expected_seconds)}.{safe}"
    )


def _failed_planning(event: e.PlanningFailed, plan: Plan | None) -> str:
    return f"No plan could be made: {sentence(event.what)} {event.remedy}"


def _requested(event: e.PlanRequested, plan: Plan | None) -> str:
    return f"New plan requested{f' to {event.target_release}' if event.target_release else ''}"


def _break_glass(event: e.BreakGlassUsed, plan: Plan | None) -> str:
    return (
        f"BREAK-GLASS: the approval of {event.approver.name} ({event.standing}) was typed at "
        f"{event.by.name}'s terminal; who typed it is not proven"
    )


def _resolved(event: e.Resolved, plan: Plan | None) -> str:
    return f"Resolved. Withdrawn release: {event.conclusion.follow_up.value}"


def _published(event: e.ReportPublished, plan: Plan | None) -> str:
    files = ", ".join(event.files) or "no file"
    missing = f"; could not be drawn: {', '.join(event.missing)}" if event.missing else ""
    return f"Report published: {files}{missing}"


WORDS: dict[type[e.Event], Callable[[Any, Plan | None], str]] = {
    **RUN,
    **AFTERMATH,
    e.AlertReceived: received,
    e.Declared: _declared,
    e.ChannelOpened: _channel,
    e.TeamAssigned: _team,
    e.Noted: _noted,
    e.EvidenceSaved: _evidence,
    e.PlanProposed: _proposed,
    e.PlanningFailed: _failed_planning,
    e.PlanRequested: _requested,
    e.UndoRequested: lambda ev, plan: "Undo of the rollback requested",
    e.ApprovalGiven: lambda ev, plan: f"Plan {ev.approval.plan_hash[:12]} approved",
    e.BreakGlassUsed: _break_glass,
    e.PlanApproved: lambda ev, plan: f"Plan {ev.plan_hash[:12]} may run: enough people approved",
    e.PlanRejected: lambda ev, plan: f"Plan rejected: {ev.reason}",
    e.ApprovalEscalated: lambda ev, plan: "Nobody answered: on-call leads may approve as well",
    e.PlanExpired: lambda ev, plan: f"Plan {ev.plan_hash[:12]} expired without enough approvals",
    e.WordsAdded: lambda ev, plan: f"Words for the next update: {ev.text}",
    e.UpdatePosted: lambda ev, plan: f"Update {ev.number} posted to the stakeholders",
    e.Resolved: _resolved,
    e.ReportPublished: _published,
}


# 5.5: who was told what, when.

_SAID: tuple[type[e.Event], ...] = (
    e.WordsAdded,
    e.UpdatePosted,
    e.ExternalHeld,
    e.ExternalFreed,
    e.ExternalDrafted,
    e.ExternalSent,
    e.ExternalDiscarded,
    e.Told,
)


def communication(incident: Incident, recorded: Sequence[e.Recorded]) -> Section:
    """Updates, people's words, and messages to customers, in order."""
    rows: list[tuple[str, ...]] = [
        (
            f"{item.at:%Y-%m-%d %H:%M:%S}",
            actor_of(item.event) or "rollback-bot",
            told(item.event, incident.plan),
        )
        for item in recorded
        if isinstance(item.event, _SAID)
    ]
    blocks: list[Block] = [
        table("Time (UTC)", "Who", "What", rows=rows)
        if rows
        else paragraph("No update was due and nothing was said to customers."),
        paragraph(f"Messages to customers: {to_customers(incident)}."),
    ]
    return Section(number="5.5", title="Communication", blocks=tuple(blocks))


def to_customers(incident: Incident) -> str:
    """How the communication with affected users stands."""
    sent = [message.value for message in incident.external_sent]
    parts = [f"sent: {', '.join(sent)}"] if sent else ["none was sent"]
    if incident.external_drafts:
        drafts = ", ".join(message.value for message in incident.external_drafts)
        parts.append(f"waiting for a person: {drafts}")
    return "; ".join(parts)
