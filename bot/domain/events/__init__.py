"""Everything that can happen to an incident, as facts in the past tense.

The list of events is the only record: state, timeline, audit log and report are folds over it.
An event is never changed; a new field gets a default, so that old incidents stay readable.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter

from bot.domain.events.alerts import AlertReceived
from bot.domain.events.base import Event
from bot.domain.events.communication import (
    ExternalDiscarded,
    ExternalDrafted,
    ExternalFreed,
    ExternalHeld,
    ExternalMessage,
    ExternalSent,
    Told,
    UpdatePosted,
    WordsAdded,
)
from bot.domain.events.conclusion import (
    ActionAsked,
    ActionDone,
    ActionFiled,
    ChangesCompared,
    Commit,
    Conclusion,
    CorrectiveAction,
    FollowUp,
    FreezeLifted,
    FreezeSet,
    IssueGone,
    PostMortemReminded,
    PostMortemScheduled,
    PullRequest,
    ReleasePlanUpdated,
    ReportPublished,
    Resolved,
)
from bot.domain.events.declaration import (
    ChannelOpened,
    Decision,
    Declared,
    Noted,
    Place,
    Role,
    RoleAssignment,
    TeamAssigned,
)
from bot.domain.events.execution import (
    AbortRequested,
    ExecutionFinished,
    ExecutionOutcome,
    ExecutionStarted,
    PauseRequested,
    ResumeRequested,
    StepFailed,
    StepFinished,
    StepOutcome,
    StepStarted,
)
from bot.domain.events.planning import (
    ApprovalEscalated,
    ApprovalGiven,
    BreakGlassUsed,
    EvidenceSaved,
    PlanApproved,
    PlanExpired,
    PlanningFailed,
    PlanProposed,
    PlanRejected,
    PlanRequested,
    UndoRequested,
)
from bot.domain.events.verification import (
    Cause,
    CauseCheck,
    CauseFinding,
    CausesChecked,
    InstanceCheck,
    InstancesChecked,
    Judged,
    Relapsed,
    SampleTaken,
    SmokeResult,
    SmokeTested,
    VerificationExtended,
    VerificationRequested,
    VerificationStarted,
)
from bot.domain.values import Instant, Value

AnyEvent = Annotated[
    Declared
    | ChannelOpened
    | TeamAssigned
    | Noted
    | EvidenceSaved
    | PlanProposed
    | PlanningFailed
    | PlanRequested
    | UndoRequested
    | ApprovalGiven
    | BreakGlassUsed
    | PlanApproved
    | PlanRejected
    | ApprovalEscalated
    | PlanExpired
    | ExecutionStarted
    | StepStarted
    | StepFinished
    | StepFailed
    | PauseRequested
    | ResumeRequested
    | AbortRequested
    | ExecutionFinished
    | VerificationStarted
    | InstancesChecked
    | SampleTaken
    | Judged
    | VerificationRequested
    | VerificationExtended
    | SmokeTested
    | CausesChecked
    | Relapsed
    | WordsAdded
    | UpdatePosted
    | ExternalHeld
    | ExternalFreed
    | ExternalDrafted
    | ExternalSent
    | ExternalDiscarded
    | Told
    | Resolved
    | ReportPublished
    | ChangesCompared
    | PostMortemScheduled
    | PostMortemReminded
    | ActionFiled
    | ActionAsked
    | ActionDone
    | IssueGone
    | ReleasePlanUpdated
    | FreezeSet
    | FreezeLifted
    | AlertReceived,
    Field(discriminator="kind"),
]

EVENT: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)
"""Reads and writes one event as JSON."""


class Recorded(Value):
    """An event in its place in an incident's list."""

    seq: int
    """1 for the first event of the incident."""
    at: Instant
    event: AnyEvent


__all__ = [
    "EVENT",
    "AbortRequested",
    "ActionAsked",
    "ActionDone",
    "ActionFiled",
    "AlertReceived",
    "AnyEvent",
    "ApprovalEscalated",
    "ApprovalGiven",
    "BreakGlassUsed",
    "Cause",
    "CauseCheck",
    "CauseFinding",
    "CausesChecked",
    "ChangesCompared",
    "ChannelOpened",
    "Commit",
    "Conclusion",
    "CorrectiveAction",
    "Decision",
    "Declared",
    "Event",
    "EvidenceSaved",
    "ExecutionFinished",
    "ExecutionOutcome",
    "ExecutionStarted",
    "ExternalDiscarded",
    "ExternalDrafted",
    "ExternalFreed",
    "ExternalHeld",
    "ExternalMessage",
    "ExternalSent",
    "FollowUp",
    "FreezeLifted",
    "FreezeSet",
    "InstanceCheck",
    "InstancesChecked",
    "IssueGone",
    "Judged",
    "Noted",
    "PauseRequested",
    "Place",
    "PlanApproved",
    "PlanExpired",
    "PlanProposed",
    "PlanRejected",
    "PlanRequested",
    "PlanningFailed",
    "PostMortemReminded",
    "PostMortemScheduled",
    "PullRequest",
    "Recorded",
    "Relapsed",
    "ReleasePlanUpdated",
    "ReportPublished",
    "Resolved",
    "ResumeRequested",
    "Role",
    "RoleAssignment",
    "SampleTaken",
    "SmokeResult",
    "SmokeTested",
    "StepFailed",
    "StepFinished",
    "StepOutcome",
    "StepStarted",
    "TeamAssigned",
    "Told",
    "UndoRequested",
    "UpdatePosted",
    "VerificationExtended",
    "VerificationRequested",
    "VerificationStarted",
    "WordsAdded",
]
