"""Where an incident stands, in words that all views share."""

from __future__ import annotations

from collections.abc import Callable

from slack_sdk.models.blocks import Block

from bot.communication import ids
from bot.communication.blocks import listing
from bot.communication.markup import bold, code, day, inline, people, plain
from bot.core.values import spoken
from bot.incident import events as e
from bot.incident.duties import is_proven
from bot.incident.events import FreezeSet, Role
from bot.incident.state import Incident, Phase

# Roles and the people in them, in words.

OPTIONAL_ROLES = frozenset({Role.DATABASE_ADMINISTRATOR})
"""The procedure calls for these only where they are needed: here, where a database is concerned."""


def members(incident: Incident, role: Role) -> str:
    """Who fills a role, as mentions; empty when nobody does."""
    for assignment in incident.team or ():
        if assignment.role is role:
            return people(assignment.people)
    return ""


def lead(incident: Incident) -> str:
    """The incident lead: the Incident Commander, else who declared."""
    return members(incident, Role.INCIDENT_COMMANDER) or people((incident.declared.by,))


def called(incident: Incident, role: Role) -> str:
    """A role with its people, to begin a sentence: ``*Incident Commander* (@ana)``."""
    who = members(incident, role)
    if who:
        return f"{bold(role.value)} ({who})"
    return f"{bold(role.value)} (nobody yet; {people((incident.declared.by,))} stands in)"


def unfilled(incident: Incident) -> tuple[Role, ...]:
    """Roles that the catalog names nobody for."""
    return tuple(role for role in Role if not members(incident, role))


def journey(incident: Incident) -> str:
    """``checkout v2.1.0 → v2.0.0`` as plain text; the target only once it is known."""
    service, bad = plain(incident.declared.service, 40), plain(incident.bad_release, 40)
    target = target_release(incident)
    return f"{service} {bad} → {plain(target, 40)}" if target else f"{service} {bad}"


def target_release(incident: Incident) -> str | None:
    """Where the rollback goes, as far as it is decided."""
    return incident.plan.to_release if incident.plan else incident.target_release


def headline(incident: Incident) -> str:
    """Emoji and state in one line of plain text; ``escape`` it for mrkdwn."""
    said = _HEADLINES[incident.phase]
    way = journey(incident)
    return said(incident, way) if callable(said) else f"{said}: {way}"


def _awaiting(incident: Incident, way: str) -> str:
    if incident.plan and not incident.plan.is_safe:
        return f"🔴 Plan is not safe and cannot be approved: {way}"
    strategy = plain(incident.plan.strategy, 30) if incident.plan else "rollback"
    return f"🔵 Waiting for approval of {strategy} {way}"


def _executing(incident: Incident, way: str) -> str:
    done = sum(record.finished_at is not None for record in incident.steps)
    total = len(incident.plan.steps) if incident.plan else len(incident.steps)
    if incident.abort_by:
        return f"🛑 Stopping at the next step boundary: {way}"
    if incident.paused_by:
        return f"⏸️ Paused after step {done} of {total}: {way}"
    if incident.phase is Phase.APPROVED:
        return f"🔵 Approved, about to start: {way}"
    if done >= total:
        return f"🟣 All steps are done: {way}"
    return f"🟣 Rolling back, step {done + 1} of {total}: {way}"


_WHY_STOPPED: dict[e.ExecutionOutcome | None, str] = {
    e.ExecutionOutcome.FAILED: "a step failed",
    e.ExecutionOutcome.CONFLICT: "the live system is not what was approved",
    e.ExecutionOutcome.ABORTED: "aborted by request",
}


def _rejected(incident: Incident, way: str) -> str:
    if incident.standing is not None:
        return f"⚪ Plan rejected, what ran before it stands: {way}"
    return f"⚪ Plan rejected, nothing was changed: {way}"


def _stopped(incident: Incident, way: str) -> str:
    outcome = incident.execution.outcome if incident.execution else None
    return f"🔴 Rollback stopped, {_WHY_STOPPED.get(outcome, 'before its last step')}: {way}"


def _resolved(incident: Incident, way: str) -> str:
    if is_proven(incident):
        return f"✅ Resolved, recovery proven: {way}"
    if incident.execution is None:
        return f"⚪ Resolved without a rollback: {way}"
    return f"🟠 Resolved without proof of recovery: {way}"


_HEADLINES: dict[Phase, str | Callable[[Incident, str], str]] = {
    Phase.PLANNING: "🟡 Preparing a plan",
    Phase.PLANNING_FAILED: "🟠 No plan could be made",
    Phase.AWAITING_APPROVAL: _awaiting,
    Phase.REJECTED: _rejected,
    Phase.APPROVED: _executing,
    Phase.EXECUTING: _executing,
    Phase.STOPPED: _stopped,
    Phase.VERIFYING: "🔎 Rolled back, recovery not yet proven",
    Phase.RECOVERED: "✅ Recovered, proven from metrics",
    Phase.NOT_RECOVERED: "🔴 Rolled back, but not recovered",
    Phase.INCONCLUSIVE: "🟠 Rolled back, recovery could not be proven",
    Phase.RESOLVED: _resolved,
}


def severity(incident: Incident) -> str:
    """``Critical (P0)``."""
    found = incident.declared.verdict.severity
    return f"{found.value} ({found.priority})"


def affected(incident: Incident) -> str:
    """Who is affected, in the words of the decision record."""
    return inline(incident.declared.decision.affected_users, empty="not estimated yet")


def checklist(incident: Incident) -> tuple[tuple[str, bool], ...]:
    """The procedure's prerequisites, each with whether it is met: they tick themselves."""
    plan = incident.plan
    missing = [role.value for role in unfilled(incident) if role not in OPTIONAL_ROLES]
    team = incident.team is not None and not missing
    gap = f" (nobody yet: {', '.join(missing)})" if incident.team is not None and missing else ""
    target = f": {inline(plan.to_release, 80)}" if plan else ""
    approved = incident.approved_at is not None
    return (
        ("Rollback decision made and recorded", True),
        ("Communication channel active", incident.has_place),
        (f"Team assembled{gap}", team),
        ("Rollback plan documented", plan is not None),
        (f"Previous version available, preflights passed{target}", bool(plan and plan.is_safe)),
        ("Evidence saved that the rollback may destroy", bool(incident.evidence)),
        ("Plan approved", approved),
    )


def eta_seconds(incident: Incident) -> float | None:
    """Seconds of steps still to do; None while there is no plan that runs or may run."""
    plan = incident.plan
    if plan is None:
        return None
    if incident.phase in {Phase.AWAITING_APPROVAL, Phase.APPROVED}:
        return plan.expected_seconds
    if incident.phase is not Phase.EXECUTING:
        return None
    open_steps = zip(plan.steps, incident.steps, strict=True)
    return sum(step.estimate_seconds for step, record in open_steps if not record.finished_at)


def eta(incident: Incident) -> str:
    """How long the rollback still takes, in words."""
    seconds = eta_seconds(incident)
    if seconds is None:
        return _NO_ETA[incident.phase]
    if incident.phase is Phase.EXECUTING:
        return f"about {spoken(seconds)} of steps left"
    return f"about {spoken(seconds)} from approval"


_NO_ETA: dict[Phase, str] = {
    **dict.fromkeys(Phase, "open: it waits for a decision"),
    Phase.PLANNING: "follows with the plan",
    Phase.VERIFYING: "all steps are done, recovery is being measured",
    Phase.RECOVERED: "all steps are done",
    Phase.NOT_RECOVERED: "all steps are done, recovery is open",
    Phase.INCONCLUSIVE: "all steps are done, recovery is open",
    Phase.RESOLVED: "over",
}


# The deploy freeze in words: on the card, in the last post, and as an answer.

_MOST_NAMES = 8
"""Services of one rollback that are named; more are counted."""
_MOST_MARKS = 6
_MOST_PROBLEMS = 5


def freeze_blocks(incident: Incident) -> list[Block]:
    """For a card or post of the incident; nothing while deploys are free."""
    freeze = incident.freeze
    return (
        listing("🧊 Deploys are frozen", freeze_text(freeze)) if freeze and freeze.freezes else []
    )


def freeze_text(event: FreezeSet) -> list[str]:
    first = event.freezes[0]
    # The mark's places are for whoever wonders why a pipeline stands still.
    marks = ", ".join(inline(mark, 120) for mark in event.marks[:_MOST_MARKS])
    unnamed = len(event.marks) - _MOST_MARKS
    more = f" and {unnamed} more" if unnamed > 0 else ""
    where = (
        f"• Marked on {marks}{more}"
        if event.marks
        else "• The mark stands in the bot alone: ask it with "
        f"{code(f'rollback-bot frozen {first.service}')}"
    )
    unsaid = len(event.problems) - _MOST_PROBLEMS
    why = f"because {inline(first.release, 80)} was withdrawn"
    return [
        f"• {frozen_services(event)} until {day(first.until)}, {why}",
        where,
        *(f"• ⚠️ Not marked: {inline(one, 250)}" for one in event.problems[:_MOST_PROBLEMS]),
        *([f"• ⚠️ … and {unsaid} more are not marked"] if unsaid > 0 else []),
        f"• Lift it with {code(f'{ids.COMMAND} unfreeze {first.service}')}",
    ]


def frozen_services(event: FreezeSet) -> str:
    return _names(tuple(freeze.service for freeze in event.freezes))


def _names(services: tuple[str, ...]) -> str:
    more = len(services) - _MOST_NAMES
    names = [inline(service, 80) for service in services[:_MOST_NAMES]]
    return ", ".join([*names, *([f"and {more} more"] if more > 0 else [])])
