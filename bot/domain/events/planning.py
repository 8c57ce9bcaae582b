"""A plan on the table, and what people say to it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bot.domain.approval import Approval
from bot.domain.events.base import Event
from bot.domain.plan import Plan
from bot.domain.recovery import Baseline
from bot.domain.values import Actor, Instant


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
