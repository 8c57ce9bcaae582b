"""Which events are allowed in which phase: the one table.

An event that the table does not allow is refused before it is stored, so that no code path can
bring an incident into a state that the journey does not have. Beside its phase an undo needs a run
that can be taken back.
"""

from __future__ import annotations

from datetime import datetime

from bot.domain import events as e
from bot.domain.fold import apply
from bot.domain.incident import Incident, Phase
from bot.domain.undo import undo_refusal
from bot.errors import RefusedError

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
