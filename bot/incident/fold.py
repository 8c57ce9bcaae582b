"""An incident's state as a pure fold over its events: one change an event kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from bot.incident import events as e
from bot.incident.alerts import with_news
from bot.incident.events import Event
from bot.incident.plan import Milestone
from bot.incident.state import (
    ActionState,
    Incident,
    OutsideMessage,
    OutsideState,
    Phase,
    Relapse,
    Sample,
    StepRecord,
    Undoing,
)
from bot.judge.counts import RecoveryVerdict

# What changes are, and what every new plan and every new verification begins with.

Changes = dict[str, Any]
"""New values of an incident's fields, by their names."""
Change = Callable[[Incident, Any, datetime], Changes]
"""What an event of one kind changes, at the moment at which it was recorded."""
Table = Mapping[type[Event], Change]

FRESH_VERIFICATION: Changes = {
    "verification": None,
    "instances": None,
    "samples": (),
    "extended": None,
    "judged": None,
    "judged_at": None,
    "smoke": None,
    "causes": None,
}
FRESH_EXECUTION: Changes = {
    **FRESH_VERIFICATION,
    "approvals": (),
    "escalated_at": None,
    "approved_at": None,
    "rejection": None,
    "execution_started_at": None,
    "steps": (),
    "milestones": {},
    "paused_by": None,
    "abort_by": None,
    "execution": None,
    "execution_finished_at": None,
    "evidence_from": None,
}
_OF_A_RUN = (
    *FRESH_EXECUTION,
    "plan",
    "proposed_at",
    "planning_failure",
    "baseline",
    "baseline_note",
    "baselines",
    "target_release",
    "parts",
    "undoing",
    "wished_by",
    "aimed_by",
)


def set_aside(incident: Incident) -> Changes:
    """Another plan is wanted: what has run so far is kept until that one runs."""
    if incident.execution is None:
        return {}
    return {"standing": incident.model_copy(update={"standing": None})}


def taken_up(incident: Incident) -> Changes:
    """The other plan never ran: what was done before it is what there is to tell."""
    standing = incident.standing
    if standing is None:
        return {}
    return {"standing": None, **{name: getattr(standing, name) for name in _OF_A_RUN}}


# What monitoring says changes nothing but what is known.

_ALERTS: Table = {
    e.AlertReceived: lambda i, ev, at: {"alerts": with_news(i.alerts, ev.alerts)},
}


# What is said to those who wait.


def _external_drafted(incident: Incident, event: e.ExternalDrafted, at: datetime) -> Changes:
    drafted = OutsideMessage(
        number=len(incident.outside) + 1,
        message=event.message,
        text=event.text,
        state=OutsideState.WAITING,
        at=at,
    )
    return {
        "external_drafts": {**incident.external_drafts, event.message: event.text},
        "outside": (*incident.outside, drafted),
    }


def _decided(incident: Incident, message: e.ExternalMessage, **changes: Any) -> Changes:
    """The waiting draft of a message has been decided upon; nothing when there is none."""
    found = [
        known.model_copy(update=changes)
        if known.message is message and known.state is OutsideState.WAITING
        else known
        for known in incident.outside
    ]
    return {"outside": tuple(found)}


def _without_draft(incident: Incident, message: e.ExternalMessage) -> Changes:
    kept = {name: text for name, text in incident.external_drafts.items() if name is not message}
    return {"external_drafts": kept}


def _external_sent(incident: Incident, event: e.ExternalSent, at: datetime) -> Changes:
    changes: Changes = {"state": OutsideState.SENT, "by": event.by, "at": at}
    if event.text:
        changes |= {"text": event.text, "edited": True}
    if event.message in incident.external_drafts:
        outside = _decided(incident, event.message, **changes)
    else:
        number = len(incident.outside) + 1
        sent = OutsideMessage(number=number, message=event.message, **changes)
        outside = {"outside": (*incident.outside, sent)}
    return {
        **outside,
        **_without_draft(incident, event.message),
        "external_sent": (*incident.external_sent, event.message),
    }


def _external_discarded(incident: Incident, event: e.ExternalDiscarded, at: datetime) -> Changes:
    state = OutsideState.LAPSED if event.by.is_bot else OutsideState.DISCARDED
    return {
        **_decided(incident, event.message, state=state, by=event.by, at=at),
        **_without_draft(incident, event.message),
    }


def _told(incident: Incident, event: e.Told, at: datetime) -> Changes:
    others = tuple(t for t in incident.told if t.destination != event.destination)
    return {"told": (*others, event)}


_COMMUNICATION: Table = {
    e.WordsAdded: lambda i, ev, at: {"words": (*i.words, ev)},
    e.UpdatePosted: lambda i, ev, at: {"updates": ev.number, "updated_at": at, "words": ()},
    e.ExternalHeld: lambda i, ev, at: {"external_held_by": ev.by},
    e.ExternalFreed: lambda i, ev, at: {"external_held_by": None},
    e.ExternalDrafted: _external_drafted,
    e.ExternalSent: _external_sent,
    e.ExternalDiscarded: _external_discarded,
    e.Told: _told,
}


# The end, and the paperwork.


def _resolved(incident: Incident, event: e.Resolved, at: datetime) -> Changes:
    return {
        **taken_up(incident),
        "phase": Phase.RESOLVED,
        "conclusion": event.conclusion,
        "resolved_by": event.by,
        "resolved_at": at,
        "actions": {},
        # The last post tells them; after a relapse they would be told a second time.
        "words": (),
    }


def _action(incident: Incident, index: int, **changes: Any) -> Changes:
    state = incident.actions.get(index, ActionState()).model_copy(update=changes)
    return {"actions": {**incident.actions, index: state}}


_CONCLUSION: Table = {
    e.Resolved: _resolved,
    e.ReportPublished: lambda i, ev, at: {"report": ev},
    e.ChangesCompared: lambda i, ev, at: {"compared": ev},
    e.PostMortemScheduled: lambda i, ev, at: {"post_mortem": ev, "post_mortem_reminded": False},
    e.PostMortemReminded: lambda i, ev, at: {"post_mortem_reminded": True},
    e.ActionFiled: lambda i, ev, at: _action(i, ev.index, url=ev.url),
    e.ActionAsked: lambda i, ev, at: _action(i, ev.index, asked_at=at),
    e.ActionDone: lambda i, ev, at: _action(i, ev.index, done_at=at),
    e.IssueGone: lambda i, ev, at: _action(i, ev.index, gone_at=at, dropped=ev.deleted),
    e.ReleasePlanUpdated: lambda i, ev, at: {"release_plan": ev},
    e.FreezeSet: lambda i, ev, at: {"freeze": ev, "frozen_for": ev.plan_hash},
    e.FreezeLifted: lambda i, ev, at: {"freeze": None},
}


# How an incident begins.


def _noted(incident: Incident, event: e.Noted, at: datetime) -> Changes:
    others = tuple(n for n in incident.notes if n.subject != event.subject)
    return {"notes": (*others, event) if event.what else others}


_DECLARATION: Table = {
    e.ChannelOpened: lambda i, ev, at: {"channel": ev},
    e.TeamAssigned: lambda i, ev, at: {"team": ev.roles},
    e.Noted: _noted,
}


# The journal of an execution.


def _executing(incident: Incident, event: e.ExecutionStarted, at: datetime) -> Changes:
    steps = incident.plan.steps if incident.plan else ()
    return {
        "phase": Phase.EXECUTING,
        "standing": None,
        "execution_started_at": at,
        "steps": tuple(StepRecord() for _ in steps),
        # The same plan may run twice, with an undo in between: each run is protected.
        "frozen_for": "",
    }


def _step(incident: Incident, index: int, **changes: Any) -> Changes:
    steps = list(incident.steps)
    steps[index] = steps[index].model_copy(update=changes)
    return {"steps": tuple(steps)}


def _step_started(incident: Incident, event: e.StepStarted, at: datetime) -> Changes:
    # A resumed step keeps its first start: its duration includes the outage of the bot.
    before = incident.steps[event.index].started_at
    return _step(
        incident,
        event.index,
        started_at=before or at,
        resumed=before is not None,
        failure="",
        remedy="",
        touched=True,
    )


def _step_finished(incident: Incident, event: e.StepFinished, at: datetime) -> Changes:
    changes = _step(
        incident, event.index, finished_at=at, outcome=event.outcome, summary=event.summary
    )
    milestone = incident.plan.steps[event.index].milestone if incident.plan else None
    if milestone:
        changes["milestones"] = {**incident.milestones, milestone: at}
    return changes


def _finished(incident: Incident, event: e.ExecutionFinished, at: datetime) -> Changes:
    succeeded = event.outcome is e.ExecutionOutcome.SUCCEEDED
    return {
        "phase": Phase.VERIFYING if succeeded else Phase.STOPPED,
        "execution": event,
        "execution_finished_at": at,
        "evidence_from": incident.milestones.get(Milestone.DRAINED, at),
        "paused_by": None,
        "ran": _ran(incident),
    }


def _ran(incident: Incident) -> Undoing | None:
    """What can be taken back from now on: a run that changed nothing leaves the one before."""
    plan = incident.plan
    steps = plan.steps if plan else ()
    # A step that acted may have changed something, also where it failed.
    done = tuple(
        index
        for index, (step, record) in enumerate(zip(steps, incident.steps, strict=False))
        if step.changes and record.started_at and record.touched
    )
    if plan is None or not done:
        return incident.ran
    return Undoing(
        plan=plan,
        done=done,
        baseline=incident.baseline,
        baseline_note=incident.baseline_note,
        baselines=incident.baselines,
    )


_EXECUTION: Table = {
    e.ExecutionStarted: _executing,
    e.StepStarted: _step_started,
    e.StepFinished: _step_finished,
    e.StepFailed: lambda i, ev, at: _step(
        i, ev.index, failure=ev.what, remedy=ev.remedy, touched=ev.touched
    ),
    e.PauseRequested: lambda i, ev, at: {"paused_by": ev.by},
    e.ResumeRequested: lambda i, ev, at: {"paused_by": None},
    e.AbortRequested: lambda i, ev, at: {"abort_by": ev.by, "paused_by": None},
    e.ExecutionFinished: _finished,
}


# A plan on the table, and what people say to it.


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


_PLANNING: Table = {
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


# Whether the service is recovered, and stays so.


def _sampled(incident: Incident, event: e.SampleTaken, at: datetime) -> Changes:
    sample = Sample(at=at, **event.model_dump(exclude={"kind"}))
    return {"samples": (*incident.samples, sample)}


_PHASE_OF_VERDICT = {
    RecoveryVerdict.RECOVERED: Phase.RECOVERED,
    RecoveryVerdict.NOT_RECOVERED: Phase.NOT_RECOVERED,
    RecoveryVerdict.INCONCLUSIVE: Phase.INCONCLUSIVE,
}


def _judged(incident: Incident, event: e.Judged, at: datetime) -> Changes:
    phase = _PHASE_OF_VERDICT[event.judgement.verdict]
    return {"phase": phase, "judged": event, "judged_at": at}


def _relapsed(incident: Incident, event: e.Relapsed, at: datetime) -> Changes:
    return {
        "phase": Phase.NOT_RECOVERED,
        # They are looked for anew: what was found before the recovery is over.
        "causes": None,
        "relapses": (*incident.relapses, Relapse(at=at, event=event)),
        # What was concluded and reported before stays in the events; it is to be done anew.
        "conclusion": None,
        "resolved_by": None,
        "resolved_at": None,
        "report": None,
        "release_plan": None,
    }


_VERIFICATION: Table = {
    e.VerificationStarted: lambda i, ev, at: {"verification": ev},
    e.InstancesChecked: lambda i, ev, at: {"instances": ev},
    e.SampleTaken: _sampled,
    e.VerificationExtended: lambda i, ev, at: {"extended": ev},
    e.Judged: _judged,
    e.VerificationRequested: lambda i, ev, at: {
        **FRESH_VERIFICATION,
        "phase": Phase.VERIFYING,
        "evidence_from": at,
    },
    e.SmokeTested: lambda i, ev, at: {"smoke": ev},
    e.CausesChecked: lambda i, ev, at: {"causes": ev},
    e.Relapsed: _relapsed,
}


_CHANGES: Table = {
    **_DECLARATION,
    **_PLANNING,
    **_EXECUTION,
    **_VERIFICATION,
    **_COMMUNICATION,
    **_CONCLUSION,
    **_ALERTS,
}


def fold(incident_id: str, recorded: Iterable[e.Recorded]) -> Incident:
    """Rebuild an incident from all its events, oldest first.

    Raises ValueError when the list does not begin with a declaration.
    """
    incident: Incident | None = None
    for item in recorded:
        incident = apply(incident_id, incident, item)
    if incident is None:
        raise ValueError(f"{incident_id} has no events")
    return incident


def apply(incident_id: str, incident: Incident | None, item: e.Recorded) -> Incident:
    """The state after one more event."""
    event, at = item.event, item.at
    if incident is None:
        if not isinstance(event, e.Declared):
            raise ValueError(f"{incident_id} begins with {event.kind}, not with its declaration")
        return Incident(
            id=incident_id,
            seq=item.seq,
            phase=Phase.PLANNING,
            opened_at=at,
            changed_at=at,
            declared=event,
            target_release=event.target_release,
            parts=event.parts,
            alerts=event.alerts,
        )
    changes = _CHANGES[type(event)](incident, event, at)
    return incident.model_copy(update={**changes, "seq": item.seq, "changed_at": at})
