"""Who may approve a plan, how many must, and how long an approval holds.

Source: the procedure, 1.2: the decision maker is the Release Manager, or the On-call Lead if the
Release Manager is unavailable.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum

from pydantic import Field

from bot.core.values import Actor, Instant, Value
from bot.incident.plan import Plan


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


# Approvals that are typed at a terminal: who may be named, and who counts as one person.
#
# Without Slack nobody is proven to be who they say, so the rule is about names and is recorded as
# break-glass; docs/decisions/011 has it in full.

TERMINAL = "cli:"
"""Before the login or the typed name, in the id of somebody who was at a terminal."""


class Witness(Value):
    """Somebody whose approval may be taken at the terminal."""

    actor: Actor
    rights: frozenset[Right]
    standing: str
    """Why their approval counts, in a clause."""


def named(name: str, *, managers: Sequence[str], leads: Sequence[str]) -> Witness | None:
    """The person whom the catalog knows by this reference; None when it knows nobody by it.

    Members of a user group are known to Slack alone: where the catalog names groups, any name is
    taken for a member's, and the record says so.
    """
    wanted = name.strip().removeprefix(TERMINAL).casefold()
    if not wanted:
        return None
    lists = (
        (managers, Right.RELEASE_MANAGER, "release manager"),
        (leads, Right.ON_CALL_LEAD, "on-call lead"),
    )
    for references, right, title in lists:
        for reference in references:
            if reference.casefold() == wanted and not is_group(reference):
                actor = Actor(id=reference, name=reference)
                return Witness(actor=actor, rights=frozenset({right}), standing=title)
    for references, right, title in lists:
        group = next(filter(is_group, references), None)
        if group is not None:
            return Witness(
                actor=at_terminal(name),
                rights=frozenset({right}),
                standing=f"{title} if a member of {group}, which only Slack can tell",
            )
    return None


def is_group(reference: str) -> bool:
    """Whether a reference of the catalog is a Slack user group."""
    return reference.startswith("S") and "@" not in reference


def at_terminal(name: str) -> Actor:
    """Somebody known by a login or a typed name only."""
    known = " ".join(name.split())
    return Actor(id=f"{TERMINAL}{known.casefold()}", name=known)


def may_be_same(one: Actor, other: Actor) -> bool:
    """Whether two names may be one person's: a login, an e-mail address before the @, an id.

    Errs to yes: one person under two names must not count as two.
    """
    return bool(_names(one) & _names(other))


def _names(actor: Actor) -> set[str]:
    texts = (actor.id.removeprefix(TERMINAL), actor.name)
    return {part for text in texts for part in (text.casefold(), text.casefold().partition("@")[0])}
