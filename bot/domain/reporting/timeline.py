"""Every event of an incident in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bot.domain import events as e
from bot.domain.plan import Plan
from bot.domain.reporting.aftermath import AFTERMATH
from bot.domain.reporting.alerted import at_the_declaration, received
from bot.domain.reporting.document import sentence
from bot.domain.reporting.run import RUN, step_title
from bot.domain.values import Instant, Value, amount, spoken

__all__ = ["WORDS", "Moment", "actor_of", "step_title", "timeline", "told"]


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
