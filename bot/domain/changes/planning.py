"""A plan on the table, and what people say to it."""

from __future__ import annotations

from datetime import datetime

from bot.domain import events as e
from bot.domain.changes.base import FRESH_EXECUTION, Changes, Table, set_aside
from bot.domain.incident import Incident, Phase, Undoing


def _planned(incident: Incident, event: e.PlanProposed, at: datetime) -> Changes:
    return {
        **FRESH_EXECUTION,
        "phase": Phase.AWAITING_APPROVAL,
        "plan": event.plan,
        "baseline": event.baseline,
        "baseline_note": event.baseline_note,
        "baselines": event.baselines,
        "proposed_at": at,
        "planning_failure": None,
        # An undo whose plan expires is planned again as an undo.
        "undoing": incident.undoing if event.plan.undoes else None,
    }


def _plan_requested(incident: Incident, event: e.PlanRequested, at: datetime) -> Changes:
    return {
        **FRESH_EXECUTION,
        **set_aside(incident),
        "phase": Phase.PLANNING,
        "undoing": None,
        **_wish(incident, event),
        "target_release": event.target_release or incident.target_release,
        "parts": incident.parts if event.parts is None else event.parts,
    }


def _wish(incident: Incident, event: e.PlanRequested) -> Changes:
    """Who wants something else than before; whoever repeats a wish adds none."""
    plan, target, parts = incident.plan, event.target_release, event.parts
    elsewhere = target is not None and target not in {
        incident.target_release,
        plan.to_release if plan and not plan.undoes else None,
    }
    if elsewhere or (parts is not None and set(parts) != set(incident.parts)):
        return {"wished_by": event.by, "aimed_by": event.by}
    undone = incident.undoing is not None or (plan is not None and plan.undoes)
    # An undo that is given up ends its own wish; the one for the target stands as it did.
    return {"wished_by": incident.aimed_by if undone else incident.wished_by}


def _undo_requested(incident: Incident, event: e.UndoRequested, at: datetime) -> Changes:
    ran = incident.ran
    if ran is None:
        # Older bots took the wish although nothing had been changed; planning says so.
        nothing = Undoing(plan=incident.plan, done=()) if incident.plan else None
        return {
            **FRESH_EXECUTION,
            "phase": Phase.PLANNING,
            "undoing": nothing,
            "wished_by": event.by,
        }
    # Whoever repeats a wish adds none, or asking once more would let the first one approve.
    repeated = incident.undoing == ran and incident.wished_by is not None
    return {
        **FRESH_EXECUTION,
        **set_aside(incident),
        "phase": Phase.PLANNING,
        "undoing": ran,
        "wished_by": incident.wished_by if repeated else event.by,
        "baseline": ran.baseline,
        "baseline_note": ran.baseline_note,
        "baselines": ran.baselines,
    }


CHANGES: Table = {
    e.EvidenceSaved: lambda i, ev, at: {"evidence": (*i.evidence, *ev.names)},
    e.PlanProposed: _planned,
    e.PlanningFailed: lambda i, ev, at: {"phase": Phase.PLANNING_FAILED, "planning_failure": ev},
    e.PlanRequested: _plan_requested,
    e.UndoRequested: _undo_requested,
    e.ApprovalGiven: lambda i, ev, at: {"approvals": (*i.approvals, ev.approval)},
    e.BreakGlassUsed: lambda i, ev, at: {"break_glass": (*i.break_glass, ev)},
    e.PlanApproved: lambda i, ev, at: {"phase": Phase.APPROVED, "approved_at": at},
    e.PlanRejected: lambda i, ev, at: {"phase": Phase.REJECTED, "rejection": ev},
    e.ApprovalEscalated: lambda i, ev, at: {"escalated_at": at},
    e.PlanExpired: lambda i, ev, at: {"phase": Phase.PLANNING, "approvals": ()},
}
