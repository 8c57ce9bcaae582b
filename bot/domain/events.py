"""Everything that can happen to an incident, as facts in the past tense.

The list of events is the only record: state, timeline, audit log and report are folds over it.
An event is never changed; a new field gets a default, so that old incidents stay readable.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from bot.domain.approval import Approval
from bot.domain.assessment import Assessment, Verdict
from bot.domain.plan import Plan
from bot.domain.recovery import Baseline, Bucket, Judgement
from bot.domain.values import Actor, Facts, Instant, Value


class Event(Value):
    """A fact about one incident."""

    # A newer bot may have written fields that this one does not know.
    model_config = ConfigDict(frozen=True, extra="ignore")


class Decision(Value):
    """The decision record of the procedure (1.2)."""

    reason: str
    affected_users: str
    alternatives: str
    rationale: str


class Role(StrEnum):
    """The team of the procedure (1.4)."""

    INCIDENT_COMMANDER = "Incident Commander"
    DEPLOYMENT_LEAD = "Deployment Lead"
    DATABASE_ADMINISTRATOR = "Database Administrator"
    MONITORING_OBSERVER = "Monitoring Observer"
    COMMUNICATION_COORDINATOR = "Communication Coordinator"


class Place(StrEnum):
    """Where the people of an incident read and decide."""

    SLACK = "slack"
    TERMINAL = "terminal"
    """Begun with ``rollback-bot run``: it has no channel, now or later."""


class RoleAssignment(Value):
    """Who fills a role; nobody when the catalog names no one who could be found."""

    role: Role
    people: tuple[Actor, ...]


class StepOutcome(StrEnum):
    """How a step reached its end state."""

    ACTED = "acted"
    ALREADY = "already"
    """The end state was found, so nothing was done: a resumed or repeated step."""
    CHECKED = "checked"
    """The step changes nothing; what it checks holds."""


class ExecutionOutcome(StrEnum):
    """Every ending of an execution has one of these reason codes."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CONFLICT = "conflict"
    """The live system is no longer what was approved."""
    ABORTED = "aborted"


class InstanceCheck(Value):
    """One replica after the rollback."""

    name: str
    ready: bool
    version: str | None
    """What the replica itself reports; None when it did not answer."""
    askable: bool = True
    """Whether the replica can be asked at all; a target behind a load balancer cannot."""
    problem: str = ""


class FollowUp(StrEnum):
    """What happens to the withdrawn release (procedure 6.2)."""

    HOTFIX = "Hotfix"
    DEFER = "Defer features"
    REPLAN = "Investigate and re-plan"


class Conclusion(Value):
    """What people add at the end."""

    root_cause: str
    corrective_actions: tuple[str, ...] = ()
    went_well: str = ""
    to_improve: str = ""
    follow_up: FollowUp
    follow_up_timeline: str = ""
    impact: str = ""


class Declared(Event):
    """The incident began: somebody decided, on this assessment."""

    kind: Literal["declared"] = "declared"
    service: str
    bad_release: str
    target_release: str | None = None
    """The release asked for; None leaves the choice to the plan."""
    strategy: str | None = None
    assessment: Assessment
    verdict: Verdict
    decision: Decision
    by: Actor
    asked_in: str
    """Id of the channel in which the command was typed."""
    assessed_at: Instant
    """When the assessment was opened: the moment of detection, as far as the bot can know."""
    place: Place = Place.SLACK


class ChannelOpened(Event):
    """The incident has a place to be talked about."""

    kind: Literal["channel_opened"] = "channel_opened"
    channel_id: str
    channel_name: str
    dedicated: bool = True
    """False: no channel could be created, so the incident runs where it was asked for."""
    note: str = ""


class TeamAssigned(Event):
    """Roles were filled from the catalog."""

    kind: Literal["team_assigned"] = "team_assigned"
    roles: tuple[RoleAssignment, ...]


class Noted(Event):
    """Something optional did not work; the journey goes on."""

    kind: Literal["noted"] = "noted"
    subject: str
    what: str
    """Empty when an earlier note on the subject no longer holds."""
    remedy: str = ""


class EvidenceSaved(Event):
    """Logs and objects that the rollback may destroy are kept under these names."""

    kind: Literal["evidence_saved"] = "evidence_saved"
    names: tuple[str, ...]


class PlanProposed(Event):
    """A plan with its preflights is on the table."""

    kind: Literal["plan_proposed"] = "plan_proposed"
    plan: Plan
    baseline: Baseline | None = None
    """What was normal before the bad release, measured while it can still be told apart."""
    baseline_note: str = ""
    """Where the baseline comes from, or why there is none."""


class PlanningFailed(Event):
    """No plan could be made."""

    kind: Literal["planning_failed"] = "planning_failed"
    what: str
    remedy: str


class PlanRequested(Event):
    """Somebody wants a new plan, perhaps to another target."""

    kind: Literal["plan_requested"] = "plan_requested"
    by: Actor
    target_release: str | None = None


class UndoRequested(Event):
    """Somebody wants the steps that were done taken back."""

    kind: Literal["undo_requested"] = "undo_requested"
    by: Actor


class ApprovalGiven(Event):
    """One person approved one plan."""

    kind: Literal["approval_given"] = "approval_given"
    approval: Approval


class BreakGlassUsed(Event):
    """An approval was taken at the terminal, where nobody can be proven to be who they say.

    Written with the approval that it stands behind; docs/decisions/011 has the rule.
    """

    kind: Literal["break_glass_used"] = "break_glass_used"
    by: Actor
    """Who sat at the terminal."""
    approver: Actor
    plan_hash: str
    standing: str
    """Why this person's approval counts, in a clause."""


class PlanApproved(Event):
    """The policy is satisfied: exactly this plan may run."""

    kind: Literal["plan_approved"] = "plan_approved"
    plan_hash: str


class PlanRejected(Event):
    """Somebody with the right to approve said no."""

    kind: Literal["plan_rejected"] = "plan_rejected"
    by: Actor
    reason: str


class ApprovalEscalated(Event):
    """Nobody answered in time: on-call leads may approve as well."""

    kind: Literal["approval_escalated"] = "approval_escalated"
    plan_hash: str


class PlanExpired(Event):
    """Nobody approved in time; the world may have moved."""

    kind: Literal["plan_expired"] = "plan_expired"
    plan_hash: str


class ExecutionStarted(Event):
    """The approved plan began to run."""

    kind: Literal["execution_started"] = "execution_started"
    plan_hash: str


class StepStarted(Event):
    """The intent to do a step, written before anything is done."""

    kind: Literal["step_started"] = "step_started"
    index: int


class StepFinished(Event):
    """A step's end state was confirmed."""

    kind: Literal["step_finished"] = "step_finished"
    index: int
    outcome: StepOutcome
    summary: str
    facts: Facts = Field(default_factory=dict)


class StepFailed(Event):
    """A step could not reach its end state."""

    kind: Literal["step_failed"] = "step_failed"
    index: int
    what: str
    remedy: str


class PauseRequested(Event):
    """Stop at the next boundary between steps, to go on later."""

    kind: Literal["pause_requested"] = "pause_requested"
    by: Actor


class ResumeRequested(Event):
    """Go on after a pause."""

    kind: Literal["resume_requested"] = "resume_requested"
    by: Actor


class AbortRequested(Event):
    """Stop at the next boundary between steps, for good."""

    kind: Literal["abort_requested"] = "abort_requested"
    by: Actor


class ExecutionFinished(Event):
    """The execution ended, one way or another."""

    kind: Literal["execution_finished"] = "execution_finished"
    outcome: ExecutionOutcome
    what: str = ""
    remedy: str = ""


class VerificationStarted(Event):
    """Evidence is collected from this moment on, against this baseline."""

    kind: Literal["verification_started"] = "verification_started"
    since: Instant
    baseline: Baseline | None
    baseline_note: str = ""


class InstancesChecked(Event):
    """Every replica was asked for its health and version."""

    kind: Literal["instances_checked"] = "instances_checked"
    instances: tuple[InstanceCheck, ...]
    health_ok: bool | None
    """What the service's health endpoint says; None when there is none."""
    version: str | None
    """What the service's version endpoint says."""
    problems: tuple[str, ...] = ()


class SampleTaken(Event):
    """One row of the recovery table."""

    kind: Literal["sample_taken"] = "sample_taken"
    offset_seconds: float
    """Seconds since the verification began."""
    requests: int
    errors: int
    latency_ms: float | None = None
    problem: str = ""
    """Why nothing was measured, if so."""


class Judged(Event):
    """The judge's result, with the buckets it was given."""

    kind: Literal["judged"] = "judged"
    judgement: Judgement
    buckets: tuple[Bucket, ...]


class VerificationRequested(Event):
    """Somebody wants the recovery judged again on newer data."""

    kind: Literal["verification_requested"] = "verification_requested"
    by: Actor


class WordsAdded(Event):
    """A person's words for the next update."""

    kind: Literal["words_added"] = "words_added"
    by: Actor
    text: str


class UpdatePosted(Event):
    """The stakeholders are owed update number ``number``; its deliveries stand beside it."""

    kind: Literal["update_posted"] = "update_posted"
    number: int


class Resolved(Event):
    """People concluded the incident."""

    kind: Literal["resolved"] = "resolved"
    by: Actor
    conclusion: Conclusion


class ReportPublished(Event):
    """The finished report was handed to the deliveries under these file names."""

    kind: Literal["report_published"] = "report_published"
    files: tuple[str, ...]


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
    | WordsAdded
    | UpdatePosted
    | Resolved
    | ReportPublished,
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
