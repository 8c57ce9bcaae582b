"""An incident's state at one moment; ``bot.incident.fold`` makes it of the events."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from bot.core.values import Actor, Instant, Value
from bot.incident import events as e
from bot.incident.alerts import HeardAlert
from bot.incident.approval import Approval
from bot.incident.plan import Milestone, Plan
from bot.judge.counts import Baseline


class Phase(StrEnum):
    """Where the journey stands."""

    PLANNING = "planning"
    PLANNING_FAILED = "planning_failed"
    AWAITING_APPROVAL = "awaiting_approval"
    REJECTED = "rejected"
    APPROVED = "approved"
    EXECUTING = "executing"
    STOPPED = "stopped"
    """The execution ended before its last step: failed, aborted, or in conflict."""
    VERIFYING = "verifying"
    RECOVERED = "recovered"
    NOT_RECOVERED = "not_recovered"
    INCONCLUSIVE = "inconclusive"
    RESOLVED = "resolved"


class StepRecord(Value):
    """What happened to one step of the running plan."""

    started_at: Instant | None = None
    finished_at: Instant | None = None
    outcome: e.StepOutcome | None = None
    resumed: bool = False
    """Whether it was interrupted, so that its time includes an outage of the bot."""
    summary: str = ""
    failure: str = ""
    remedy: str = ""
    touched: bool = True
    """False where it failed before it ever acted, so that there is nothing to take back."""


class Sample(Value):
    """One row of the recovery table."""

    at: Instant
    offset_seconds: float
    requests: int
    errors: int
    latency_ms: float | None = None
    problem: str = ""
    probes: int = 0
    failed_probes: int = 0

    @property
    def error_rate(self) -> float | None:
        """Errors per request; None without requests."""
        return self.errors / self.requests if self.requests else None


class Relapse(Value):
    """The service got worse again after a proven recovery."""

    at: Instant
    event: e.Relapsed


class OutsideState(StrEnum):
    """What became of a message to customers."""

    WAITING = "waiting"
    """Drafted: a person is to send or discard it."""
    SENT = "sent"
    DISCARDED = "discarded"
    LAPSED = "lapsed"
    """A newer message took its place before anybody decided."""


class OutsideMessage(Value):
    """One message to customers, and what became of it."""

    number: int
    """1 for the incident's first one."""
    message: e.ExternalMessage
    text: str = ""
    """As drafted, or a person's own words; empty for what the template says when it is sent."""
    edited: bool = False
    """Whether the text is a person's own."""
    state: OutsideState
    by: Actor | None = None
    """Who decided; None when nobody had to be asked, or nobody has decided yet."""
    at: Instant


class ActionState(Value):
    """How a corrective action stands."""

    url: str = ""
    """Its issue; empty when none was filed."""
    asked_at: Instant | None = None
    done_at: Instant | None = None
    gone_at: Instant | None = None
    """Since then its issue is not shown any more."""
    dropped: bool = False
    """Somebody deleted the issue: nobody is asked any more, and it may still be done."""


class Undoing(Value):
    """A plan that ran, whose done steps can be taken back, or are to be."""

    plan: Plan
    done: tuple[int, ...]
    """Indexes of the steps that changed something, in the order in which they did."""
    baseline: Baseline | None = None
    """What was normal when it ran: a plan that was made since may know less."""
    baseline_note: str = ""
    baselines: dict[str, Baseline] = Field(default_factory=dict)


class Incident(Value):
    """Everything known about one incident at one moment."""

    id: str
    seq: int
    """Sequence number of the last event: what the next append expects."""
    phase: Phase
    opened_at: Instant
    changed_at: Instant
    declared: e.Declared
    channel: e.ChannelOpened | None = None
    team: tuple[e.RoleAssignment, ...] | None = None
    notes: tuple[e.Noted, ...] = ()
    evidence: tuple[str, ...] = ()
    alerts: tuple[HeardAlert, ...] = ()
    """Alerts of the service that were heard of, from those that fired at the assessment on."""
    target_release: str | None = None
    """The target asked for; None leaves the choice to the plan."""
    parts: tuple[str, ...] = ()
    """Which parts of a composed rollback are asked for; empty for all."""
    plan: Plan | None = None
    ran: Undoing | None = None
    """The last run that changed something, whatever was planned since; None before one."""
    standing: Incident | None = None
    """As it was after the last run, while another plan is talked about: what is there until that
    plan runs. None when there was no run, or nothing was planned since."""
    undoing: Undoing | None = None
    """What the next plan is to take back; None for an ordinary plan."""
    wished_by: Actor | None = None
    """Who asked for another plan than the declared rollback: an undo, another target, parts."""
    aimed_by: Actor | None = None
    """Who asked for the target or the parts, also while an undo is what is wished; None for those
    of the declaration."""
    proposed_at: Instant | None = None
    baseline: Baseline | None = None
    baseline_note: str = ""
    baselines: dict[str, Baseline] = Field(default_factory=dict)
    """Of the other services that the plan is about."""
    planning_failure: e.PlanningFailed | None = None
    approvals: tuple[Approval, ...] = ()
    break_glass: tuple[e.BreakGlassUsed, ...] = ()
    """Every approval that was taken at the terminal, also of earlier plans."""
    escalated_at: Instant | None = None
    approved_at: Instant | None = None
    rejection: e.PlanRejected | None = None
    execution_started_at: Instant | None = None
    steps: tuple[StepRecord, ...] = ()
    milestones: dict[Milestone, Instant] = Field(default_factory=dict)
    paused_by: Actor | None = None
    abort_by: Actor | None = None
    execution: e.ExecutionFinished | None = None
    execution_finished_at: Instant | None = None
    evidence_from: Instant | None = None
    """From when on measurements count: the end of the drain, or a later request to verify."""
    verification: e.VerificationStarted | None = None
    instances: e.InstancesChecked | None = None
    samples: tuple[Sample, ...] = ()
    extended: e.VerificationExtended | None = None
    judged: e.Judged | None = None
    judged_at: Instant | None = None
    smoke: e.SmokeTested | None = None
    causes: e.CausesChecked | None = None
    relapses: tuple[Relapse, ...] = ()
    words: tuple[e.WordsAdded, ...] = ()
    """Words waiting for the next update."""
    updates: int = 0
    updated_at: Instant | None = None
    external_held_by: Actor | None = None
    """Who wants to see messages to customers before they go out."""
    external_drafts: dict[e.ExternalMessage, str] = Field(default_factory=dict)
    """Messages to customers that wait for a person's word."""
    external_sent: tuple[e.ExternalMessage, ...] = ()
    outside: tuple[OutsideMessage, ...] = ()
    """Every message to customers, with those that were not sent."""
    told: tuple[e.Told, ...] = ()
    """What each destination beside Slack took last."""
    conclusion: e.Conclusion | None = None
    resolved_by: Actor | None = None
    resolved_at: Instant | None = None
    report: e.ReportPublished | None = None
    compared: e.ChangesCompared | None = None
    post_mortem: e.PostMortemScheduled | None = None
    post_mortem_reminded: bool = False
    actions: dict[int, ActionState] = Field(default_factory=dict)
    """By the action's place in the conclusion; those that nothing happened to are missing."""
    release_plan: e.ReleasePlanUpdated | None = None
    freeze: e.FreezeSet | None = None
    """The deploy freeze that holds because of this incident; None once it is lifted."""
    frozen_for: str = ""
    """Hash of the plan for whose run deploys were frozen, lifted or not; empty in a new run."""

    @property
    def is_open(self) -> bool:
        """Whether the incident still needs people."""
        return self.phase is not Phase.RESOLVED

    @property
    def has_place(self) -> bool:
        """Whether its people have somewhere to read and decide."""
        return self.channel is not None or self.declared.place is e.Place.TERMINAL

    @property
    def askers(self) -> tuple[Actor, ...]:
        """Whose wish the plan follows: none of them decides alone whether it runs."""
        wished = self.wished_by
        if wished is None or wished.id == self.declared.by.id:
            return (self.declared.by,)
        return (self.declared.by, wished)

    @property
    def bad_release(self) -> str:
        """The release that is being withdrawn."""
        return self.plan.from_release if self.plan else self.declared.bad_release

    @property
    def current_step(self) -> int | None:
        """Index of the first step that is not finished; None when there is none."""
        for index, record in enumerate(self.steps):
            if record.finished_at is None:
                return index
        return None
