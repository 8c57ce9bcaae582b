"""Which events are allowed in which phase: the one table.

An event that the table does not allow is refused before it is stored, so that no code path can
bring an incident into a state that the journey does not have. Beside its phase an undo needs a run
that can be taken back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.core.errors import RefusedError
from bot.core.values import Instant
from bot.incident import events as e
from bot.incident.fold import apply
from bot.incident.plan import Plan, PlanPart, Preflight, Step
from bot.incident.state import Incident, Phase, Undoing

# Undo: the plan that takes a rollback back, made from the plan that ran.


def undo_refusal(undoing: Undoing | None) -> RefusedError | None:
    """Why this run cannot be taken back; None when it can, as far as the plan tells."""
    if undoing is None or not undoing.done:
        return RefusedError(
            "There is nothing to undo: no step changed anything.", "Press “Plan again”."
        )
    for index in reversed(undoing.done):
        step = undoing.plan.steps[index]
        if step.inverse is None:
            return RefusedError(
                f"This rollback cannot be undone: “{step.title}” cannot be taken back.",
                "Roll forward with a fixed release instead.",
            )
    return None


def undo_steps(undoing: Undoing) -> tuple[Step, ...]:
    """The inverses of the steps that were done, last one first.

    Raises RefusedError when nothing was done, or a step cannot be taken back.
    """
    refusal = undo_refusal(undoing)
    if refusal is not None:
        raise refusal
    done = [undoing.plan.steps[index] for index in reversed(undoing.done)]
    waits = [step for step in undoing.plan.steps if not step.changes and step.inverse]
    # What waits for a change comes after it, in the plan's own order.
    return tuple(_inverted(step) for step in (*done, *waits))


def _inverted(step: Step) -> Step:
    """The step that takes another back. Raises RefusedError when there is none."""
    if step.inverse is None:
        raise RefusedError(f"“{step.title}” cannot be taken back.", "Roll forward instead.")
    return step.model_copy(
        update={
            "title": f"Undo: {step.title}",
            "action": step.inverse,
            # Step kinds compare by their parameters; for people, this is what is taken back.
            "expects": dict(step.action.params),
            "inverse": step.action.model_copy(update={"command": step.command}),
            "command": step.inverse.command or f"# take back by hand: {step.command}",
            # What the step promised for the users does not hold for its inverse.
            "milestone": None,
            "reminder": "",
        }
    )


def _reversed(part: PlanPart) -> PlanPart:
    return part.model_copy(
        update={
            "from_release": part.to_release,
            "to_release": part.from_release,
            # A flag or a schema changes no version in either direction.
            "version_after": "" if part.version_after == "" else None,
        }
    )


def undo_plan(
    undoing: Undoing,
    steps: Sequence[Step],
    preflights: Sequence[Preflight],
    *,
    observed_at: Instant,
) -> Plan:
    """A plan that is approved like any other. It needs as many approvers as the rollback did."""
    before = undoing.plan
    return Plan(
        service=before.service,
        strategy=before.strategy,
        from_release=before.to_release,
        to_release=before.from_release,
        steps=tuple(steps),
        preflights=tuple(preflights),
        not_restored=before.not_restored,
        data_loss=before.data_loss,
        downtime=before.downtime,
        approvers=before.approvers,
        typed_confirmation=before.typed_confirmation,
        version_after="" if before.version_after == "" else None,
        parts=tuple(_reversed(part) for part in reversed(before.parts)),
        undoes=True,
        observed_at=observed_at,
    )


_ALL = frozenset(Phase)
_OPEN = _ALL - {Phase.RESOLVED}
_QUIET = frozenset(
    {
        Phase.PLANNING_FAILED,
        Phase.AWAITING_APPROVAL,
        Phase.REJECTED,
        Phase.STOPPED,
        Phase.RECOVERED,
        Phase.NOT_RECOVERED,
        Phase.INCONCLUSIVE,
    }
)
"""Nothing runs: people decide what comes next."""
_JUDGED = frozenset({Phase.RECOVERED, Phase.NOT_RECOVERED, Phase.INCONCLUSIVE})

ALLOWED: dict[type[e.Event], frozenset[Phase]] = {
    e.ChannelOpened: _OPEN,
    e.TeamAssigned: _OPEN,
    e.Noted: _ALL,
    e.EvidenceSaved: frozenset({Phase.PLANNING}),
    e.PlanProposed: frozenset({Phase.PLANNING}),
    e.PlanningFailed: frozenset({Phase.PLANNING}),
    e.PlanRequested: _QUIET,
    e.UndoRequested: _QUIET,
    e.ApprovalGiven: frozenset({Phase.AWAITING_APPROVAL}),
    e.BreakGlassUsed: frozenset({Phase.AWAITING_APPROVAL}),
    e.PlanApproved: frozenset({Phase.AWAITING_APPROVAL}),
    e.PlanRejected: frozenset({Phase.AWAITING_APPROVAL}),
    e.ApprovalEscalated: frozenset({Phase.AWAITING_APPROVAL}),
    e.PlanExpired: frozenset({Phase.AWAITING_APPROVAL}),
    e.ExecutionStarted: frozenset({Phase.APPROVED}),
    e.StepStarted: frozenset({Phase.EXECUTING}),
    e.StepFinished: frozenset({Phase.EXECUTING}),
    e.StepFailed: frozenset({Phase.EXECUTING}),
    e.PauseRequested: frozenset({Phase.APPROVED, Phase.EXECUTING}),
    e.ResumeRequested: frozenset({Phase.APPROVED, Phase.EXECUTING}),
    e.AbortRequested: frozenset({Phase.APPROVED, Phase.EXECUTING}),
    e.ExecutionFinished: frozenset({Phase.EXECUTING}),
    e.VerificationStarted: frozenset({Phase.VERIFYING}),
    e.InstancesChecked: frozenset({Phase.VERIFYING}),
    e.SampleTaken: frozenset({Phase.VERIFYING}),
    e.Judged: frozenset({Phase.VERIFYING}),
    e.VerificationRequested: _JUDGED,
    e.WordsAdded: _OPEN,
    e.UpdatePosted: _OPEN,
    e.Resolved: _QUIET,
    e.ReportPublished: frozenset({Phase.RESOLVED}),
    e.VerificationExtended: frozenset({Phase.VERIFYING}),
    e.SmokeTested: frozenset({Phase.VERIFYING}),
    e.CausesChecked: frozenset({Phase.NOT_RECOVERED, Phase.INCONCLUSIVE}),
    e.Relapsed: frozenset({Phase.RECOVERED, Phase.RESOLVED}),
    e.ExternalHeld: _OPEN,
    e.ExternalFreed: _OPEN,
    e.ExternalDrafted: _ALL,
    e.ExternalSent: _ALL,
    e.ExternalDiscarded: _ALL,
    e.Told: _ALL,
    e.ChangesCompared: _ALL,
    e.PostMortemScheduled: frozenset({Phase.RESOLVED}),
    e.PostMortemReminded: frozenset({Phase.RESOLVED}),
    e.ActionFiled: frozenset({Phase.RESOLVED}),
    e.ActionAsked: frozenset({Phase.RESOLVED}),
    e.ActionDone: frozenset({Phase.RESOLVED}),
    e.IssueGone: frozenset({Phase.RESOLVED}),
    e.ReleasePlanUpdated: frozenset({Phase.RESOLVED}),
    e.FreezeSet: frozenset({Phase.RECOVERED, Phase.RESOLVED}),
    e.FreezeLifted: _ALL,
    e.AlertReceived: _ALL,
}


def is_allowed(incident: Incident, kind: type[e.Event]) -> bool:
    """Whether an event of this kind may happen now."""
    if incident.phase not in ALLOWED.get(kind, frozenset()):
        return False
    return kind is not e.UndoRequested or undo_refusal(incident.ran) is None


def advance(incident: Incident, events: tuple[e.AnyEvent, ...], now: datetime) -> Incident:
    """The state after these events, checked one by one.

    Raises RefusedError for the first event that is not allowed.
    """
    for event in events:
        if not is_allowed(incident, type(event)):
            raise _refused(incident, event)
        recorded = e.Recorded(seq=incident.seq + 1, at=now, event=event)
        incident = apply(incident.id, incident, recorded)
    return incident


_STATES = {
    Phase.PLANNING: "being planned",
    Phase.PLANNING_FAILED: "without a plan",
    Phase.AWAITING_APPROVAL: "waiting for approval",
    Phase.REJECTED: "waiting for another plan",
    Phase.APPROVED: "about to be rolled back",
    Phase.EXECUTING: "being rolled back",
    Phase.STOPPED: "stopped before its last step",
    Phase.VERIFYING: "being measured",
    Phase.RECOVERED: "recovered",
    Phase.NOT_RECOVERED: "not recovered",
    Phase.INCONCLUSIVE: "rolled back, but not proven to be recovered",
    Phase.RESOLVED: "resolved",
}
"""As people say it."""


def _refused(incident: Incident, event: e.AnyEvent) -> RefusedError:
    """Why the event is not allowed: it is not the moment, or there is nothing to take back."""
    if isinstance(event, e.UndoRequested) and incident.phase in ALLOWED[e.UndoRequested]:
        refusal = undo_refusal(incident.ran)
        if refusal is not None:
            return refusal
    return RefusedError(
        f"{incident.id} is {_STATES[incident.phase]}: “{event.kind.replace('_', ' ')}” is not "
        "possible now.",
        "Look at the status card: somebody may have been faster.",
    )
