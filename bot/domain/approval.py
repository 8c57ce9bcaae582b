"""Who may approve a plan, how many must, and how long an approval holds.

Source: the procedure, 1.2: the decision maker is the Release Manager, or the On-call Lead if the
Release Manager is unavailable.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum

from pydantic import Field

from bot.domain.plan import Plan
from bot.domain.values import Actor, Instant, Value


class Right(StrEnum):
    """What a person is entitled to, looked up at the moment of the click."""

    RELEASE_MANAGER = "release_manager"
    ON_CALL_LEAD = "on_call_lead"


class ApprovalPolicy(Value):
    """The rules for one service."""

    quorum: int = Field(default=1, ge=1)
    """So many different people must approve."""
    escalate_after_seconds: float = Field(default=300, ge=0)
    """After this long without an answer, on-call leads may approve as well."""
    expires_after_seconds: float = Field(default=1800, gt=0)
    """A plan older than this must be made anew."""
    self_approval: bool = False
    """Whether a person who asked may approve (break-glass): allowed is not unnoticed."""


class Approval(Value):
    """One person's approval of one plan."""

    plan_hash: str
    by: Actor
    at: Instant


class Refusal(StrEnum):
    """The closed list of reasons for not accepting an approval."""

    OUTDATED = "outdated"
    UNSAFE = "unsafe"
    EXPIRED = "expired"
    NO_RIGHT = "no_right"
    NOT_YET = "not_yet"
    OWN_REQUEST = "own_request"
    TWICE = "twice"


def expires_at(policy: ApprovalPolicy, proposed_at: Instant) -> Instant:
    """When the plan can no longer be approved."""
    return proposed_at + timedelta(seconds=policy.expires_after_seconds)


def escalates_at(policy: ApprovalPolicy, proposed_at: Instant) -> Instant:
    """From when on-call leads may approve."""
    return proposed_at + timedelta(seconds=policy.escalate_after_seconds)


def check_approval(
    policy: ApprovalPolicy,
    *,
    plan: Plan,
    plan_hash: str,
    proposed_at: Instant,
    requested_by: Sequence[Actor],
    approvals: Sequence[Approval],
    actor: Actor,
    rights: frozenset[Right],
    now: Instant,
) -> Refusal | None:
    """Why this person's approval of this plan does not count now; None when it does.

    ``requested_by`` are all whose wish the plan follows.
    """
    if plan_hash != plan.hash:
        return Refusal.OUTDATED
    if not plan.is_safe:
        return Refusal.UNSAFE
    if now >= expires_at(policy, proposed_at):
        return Refusal.EXPIRED
    if not rights:
        return Refusal.NO_RIGHT
    if Right.RELEASE_MANAGER not in rights and now < escalates_at(policy, proposed_at):
        return Refusal.NOT_YET
    if actor.id in {person.id for person in requested_by} and not policy.self_approval:
        return Refusal.OWN_REQUEST
    if any(a.by.id == actor.id and a.plan_hash == plan_hash for a in approvals):
        return Refusal.TWICE
    return None


def approvals_needed(policy: ApprovalPolicy, plan: Plan) -> int:
    """So many different people must approve: the policy's quorum, or more where the plan asks."""
    return max(policy.quorum, plan.approvers)


def is_approved(policy: ApprovalPolicy, plan: Plan, approvals: Sequence[Approval]) -> bool:
    """Whether enough different people approved exactly this plan."""
    given = {a.by.id for a in approvals if a.plan_hash == plan.hash}
    return len(given) >= approvals_needed(policy, plan)
