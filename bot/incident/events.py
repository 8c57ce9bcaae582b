"""Everything that can happen to an incident, as facts in the past tense.

The list of events is the only record: state, timeline, audit log and report are folds over it.
An event is never changed; a new field gets a default, so that old incidents stay readable.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, model_validator

from bot.core.values import Actor, Facts, Fraction, Instant, Value
from bot.incident.alerts import HeardAlert, noticed_by
from bot.incident.approval import Approval
from bot.incident.assessment import Assessment, Verdict
from bot.incident.freeze import Freeze
from bot.incident.plan import Plan
from bot.judge.counts import Baseline, Bucket, Judgement
from bot.judge.probes import ProbeBucket

# What every event has in common.


class Event(Value):
    """A fact about one incident."""

    # A newer bot may have written fields that this one does not know.
    model_config = ConfigDict(frozen=True, extra="ignore")


# What monitoring says by itself while an incident goes on.


class AlertReceived(Event):
    """Alerts of the service began or ended; each beginning and each end is recorded once."""

    kind: Literal["alert_received"] = "alert_received"
    alerts: tuple[HeardAlert, ...]
    """Those that were news; an end repeats what began."""


# What is said to those who wait.


class WordsAdded(Event):
    """A person's words for the next update."""

    kind: Literal["words_added"] = "words_added"
    by: Actor
    text: str


class UpdatePosted(Event):
    """The stakeholders are owed update number ``number``; its deliveries stand beside it."""

    kind: Literal["update_posted"] = "update_posted"
    number: int


class ExternalHeld(Event):
    """From now on messages to customers wait for a person; internal ones never do."""

    kind: Literal["external_held"] = "external_held"
    by: Actor


class ExternalFreed(Event):
    """Messages to customers go out by themselves again."""

    kind: Literal["external_freed"] = "external_freed"
    by: Actor


class ExternalMessage(StrEnum):
    """The messages that leave the company."""

    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MONITORING = "monitoring"
    RESOLVED = "resolved"


class ExternalDrafted(Event):
    """A message to customers is written and waits for a person's word."""

    kind: Literal["external_drafted"] = "external_drafted"
    message: ExternalMessage
    text: str
    """As it would be sent."""


class ExternalSent(Event):
    """A message to customers may go out, in these words."""

    kind: Literal["external_sent"] = "external_sent"
    message: ExternalMessage
    text: str = ""
    """A person's own words; empty for those of the template."""
    by: Actor | None = None
    """None when nobody had to be asked."""


class ExternalDiscarded(Event):
    """A drafted message is not sent."""

    kind: Literal["external_discarded"] = "external_discarded"
    message: ExternalMessage
    by: Actor


class Told(Event):
    """A destination beside Slack took a message."""

    kind: Literal["told"] = "told"
    destination: str
    """``statuspage:public``: the kind, and the name that the catalog gives it."""
    what: str
    """What it was, in a word or two: ``identified``, ``update 3``."""
    reference: str = ""
    """The destination's receipt: an incident's id there, a mail's Message-ID."""


# The end: what people learned, and the paperwork.


class FollowUp(StrEnum):
    """What happens to the withdrawn release (procedure 6.2)."""

    HOTFIX = "Hotfix"
    DEFER = "Defer features"
    REPLAN = "Investigate and re-plan"


class CorrectiveAction(Value):
    """What keeps it from happening again, who does it, and by when."""

    text: str
    owner: str = ""
    """A reference to a person, as the catalog knows them, or a name; empty for nobody yet."""
    due: date | None = None

    @property
    def spoken(self) -> str:
        """The action with who does it and by when, in one line."""
        due = f"by {self.due:%Y-%m-%d}" if self.due else ""
        said = ", ".join(part for part in (self.owner, due) if part)
        return f"{self.text} ({said})" if said else self.text

    @model_validator(mode="before")
    @classmethod
    def _a_text_alone(cls, value: Any) -> Any:
        # Incidents of the first version have texts only.
        return {"text": value} if isinstance(value, str) else value


class Conclusion(Value):
    """What people add at the end."""

    root_cause: str
    corrective_actions: tuple[CorrectiveAction, ...] = ()
    went_well: str = ""
    to_improve: str = ""
    follow_up: FollowUp
    follow_up_timeline: str = ""
    impact: str = ""


class Resolved(Event):
    """People concluded the incident."""

    kind: Literal["resolved"] = "resolved"
    by: Actor
    conclusion: Conclusion


class ReportPublished(Event):
    """The finished report was handed to the deliveries under these file names."""

    kind: Literal["report_published"] = "report_published"
    files: tuple[str, ...]
    canvas: str = ""
    """Name of the file that is to become the channel's canvas; empty for none."""
    missing: tuple[str, ...] = ()
    """What could not be drawn, in words for people."""


class Commit(Value):
    """One change between two releases."""

    sha: str
    title: str
    author: str
    url: str = ""


class PullRequest(Value):
    """A pull request that came in between two releases."""

    number: int
    title: str
    author: str
    url: str = ""


class ChangesCompared(Event):
    """What the withdrawn release changed."""

    kind: Literal["changes_compared"] = "changes_compared"
    base: str
    head: str
    url: str
    """Where people see the comparison."""
    commits: tuple[Commit, ...] = ()
    pull_requests: tuple[PullRequest, ...] = ()
    total_commits: int = 0
    """More than ``commits`` lists when there are very many."""


class PostMortemScheduled(Event):
    """The meeting that learns from the incident."""

    kind: Literal["post_mortem_scheduled"] = "post_mortem_scheduled"
    start: Instant
    minutes: int
    zone: str
    """Name of the time zone in which the slot was chosen."""
    people: tuple[Actor, ...]
    addresses: dict[str, str] = Field(default_factory=dict)
    """E-mail addresses by the id of a person, of those that are known."""
    organizer: str = ""
    """The address in whose name people are invited; empty when none is known."""
    email: str = ""
    """Name of the catalog's destination that mails the invitation; empty mails none."""
    late: bool = False
    """Whether it begins more than 48 hours after the resolution."""
    by: Actor | None = None
    """Who moved it; None when the bot chose."""
    sequence: int = 0
    """How often it was moved: calendars take the highest."""


class PostMortemReminded(Event):
    """The channel was reminded of the meeting."""

    kind: Literal["post_mortem_reminded"] = "post_mortem_reminded"


class ActionFiled(Event):
    """A corrective action has an issue of its own."""

    kind: Literal["action_filed"] = "action_filed"
    index: int
    url: str


class ActionAsked(Event):
    """Somebody was asked how a corrective action stands."""

    kind: Literal["action_asked"] = "action_asked"
    index: int


class ActionDone(Event):
    """A corrective action is done."""

    kind: Literal["action_done"] = "action_done"
    index: int
    by: Actor | None = None
    """None when the issue was closed."""


class IssueGone(Event):
    """The host of a corrective action's issue does not show it any more; it is not asked again."""

    kind: Literal["issue_gone"] = "issue_gone"
    index: int
    url: str
    deleted: bool
    """The host says that somebody deleted it: the action is taken for dropped. False for an issue
    that is hidden or was moved out of sight: people are still asked how the action stands."""


class ReleasePlanUpdated(Event):
    """The rollback summary stands in the release plan."""

    kind: Literal["release_plan_updated"] = "release_plan_updated"
    where: str
    """A link or a file's path."""


class FreezeSet(Event):
    """Deployments of the service are to wait; the mark stands on these objects."""

    kind: Literal["freeze_set"] = "freeze_set"
    marks: tuple[str, ...]
    """``Deployment shop/checkout``: where the annotation was written."""
    problems: tuple[str, ...] = ()
    """Where it could not be written, and why."""
    freezes: tuple[Freeze, ...] = ()
    """One for every service that the rollback was about."""

    @property
    def plan_hash(self) -> str:
        """The rollback that it protects; empty in incidents of the first version."""
        return self.freezes[0].plan_hash if self.freezes else ""


class FreezeLifted(Event):
    """Deployments may go on."""

    kind: Literal["freeze_lifted"] = "freeze_lifted"
    by: Actor | None = None
    """None when a new rollback or the end of its time lifted it."""
    why: str = ""
    """In a clause, where nobody's wish says it."""


# How an incident begins: the decision, its place, its people.


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


class Declared(Event):
    """The incident began: somebody decided, on this assessment."""

    kind: Literal["declared"] = "declared"
    service: str
    bad_release: str
    target_release: str | None = None
    """The release asked for; None leaves the choice to the plan."""
    strategy: str | None = None
    parts: tuple[str, ...] = ()
    """Which parts of a composed rollback are wanted; empty for all."""
    assessment: Assessment
    verdict: Verdict
    decision: Decision
    by: Actor
    asked_in: str
    """Id of the channel in which the command was typed."""
    assessed_at: Instant
    """When the assessment was opened: the moment of detection, unless an alert was earlier."""
    place: Place = Place.SLACK
    alerts: tuple[HeardAlert, ...] = ()
    """Alerts of the service that fired when the assessment was opened, or that it was opened
    from."""
    error_limit: Fraction | None = None
    """The highest error rate that the service's own policy took for healthy then; None without a
    baseline."""

    def noticed_by(self, released_at: Instant | None) -> HeardAlert | None:
        """The alert that noticed it before anybody asked; None when there was none.

        ``released_at`` is when the bad release began to serve, where that is known.
        """
        return noticed_by(self.alerts, assessed_at=self.assessed_at, released_at=released_at)


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


# The journal of an execution.


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
    touched: bool = True
    """Whether it may have changed something; False where it stopped before it ever acted."""


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


# A plan on the table, and what people say to it.


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
    baselines: dict[str, Baseline] = Field(default_factory=dict)
    """The same of the other services that the plan is about, where it is known."""
    released_at: Instant | None = None
    """When the release that is to be withdrawn began to serve; None when it is not known."""


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
    parts: tuple[str, ...] | None = None
    """Which parts of a composed rollback; empty for all, None for those of the plan before."""


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


# Whether the service is recovered, and stays so.


class InstanceCheck(Value):
    """One replica after the rollback."""

    name: str
    ready: bool
    version: str | None
    """What the replica itself reports; None when it did not answer."""
    askable: bool = True
    """Whether the replica can be asked at all; a target behind a load balancer cannot."""
    problem: str = ""


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
    probes: int = 0
    """Synthetic requests of the bot's own in that time; the service may have counted them too."""
    failed_probes: int = 0


class VerificationExtended(Event):
    """Nothing was read for a while: it is measured on for as long before the judge decides."""

    kind: Literal["verification_extended"] = "verification_extended"
    until: Instant
    unread_seconds: float
    """For how long nothing was read."""


class Judged(Event):
    """The judge's result, with the buckets it was given."""

    kind: Literal["judged"] = "judged"
    judgement: Judgement
    buckets: tuple[Bucket, ...]
    probes: tuple[ProbeBucket, ...] = ()
    """The bot's own requests of the same time."""
    watched_until: Instant | None = None
    """So long after a proven recovery the bot looks for a relapse."""


class VerificationRequested(Event):
    """Somebody wants the recovery judged again on newer data."""

    kind: Literal["verification_requested"] = "verification_requested"
    by: Actor


class SmokeResult(Value):
    """One smoke test, as it ran."""

    name: str
    passed: bool
    what: str = ""
    """Which request failed, and what was expected of it; empty when it passed."""
    seconds: float = 0.0


class SmokeTested(Event):
    """The catalog's smoke tests were run against the service."""

    kind: Literal["smoke_tested"] = "smoke_tested"
    results: tuple[SmokeResult, ...]


class Cause(StrEnum):
    """Why errors may go on after a rollback (procedure, "Error rate still high")."""

    NOT_DEPLOYED = "not_deployed"
    """The old version does not really serve everywhere."""
    SCHEMA = "schema"
    """The database does not fit the old version."""
    DEPENDENCY = "dependency"
    """Something that the service needs fails."""
    OTHER_SERVICE = "other_service"
    """Another service fails too: the failure spreads."""
    NOT_THE_RELEASE = "not_the_release"
    """The errors began before the release, or go on whatever serves."""


class CauseFinding(StrEnum):
    """What the check of a cause says."""

    LIKELY = "likely"
    UNLIKELY = "unlikely"
    UNKNOWN = "unknown"
    """It could not be checked; the evidence says why."""


class CauseCheck(Value):
    """One cause, checked."""

    cause: Cause
    finding: CauseFinding
    evidence: tuple[str, ...]
    """What was seen, one sentence each; never empty."""
    services: tuple[str, ...] = ()
    """Other services of the catalog that the evidence points to."""


class CausesChecked(Event):
    """Recovery was not proven: the known causes were checked one by one."""

    kind: Literal["causes_checked"] = "causes_checked"
    checks: tuple[CauseCheck, ...]


class Relapsed(Event):
    """After a proven recovery the service got worse again: the incident is open once more."""

    kind: Literal["relapsed"] = "relapsed"
    judgement: Judgement
    since: Instant
    """From when on the errors were counted."""
    services: tuple[str, ...] = ()
    """What got worse, the incident's own before others; older bots watched nothing else, and
    wrote nothing here."""


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
