"""What waits for one person, over all incidents."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bot.domain.approval import ApprovalPolicy, Refusal, Right, check_approval, escalates_at
from bot.domain.corrective_actions import open_actions
from bot.domain.events import CorrectiveAction, ExternalMessage, Role
from bot.domain.incident import Incident, Phase
from bot.domain.values import Actor, Instant, Value


class PlanToApprove(Value):
    """A plan that the person may approve."""

    incident: Incident
    from_at: Instant | None = None
    """From when on; None for now."""


class DraftToSend(Value):
    """Messages to customers that the person may send or discard."""

    incident: Incident
    messages: tuple[ExternalMessage, ...]


class ActionToDo(Value):
    """A corrective action that the person has taken on."""

    incident: Incident
    action: CorrectiveAction


class Waiting(Value):
    """Everything that waits for one person."""

    plans: tuple[PlanToApprove, ...] = ()
    drafts: tuple[DraftToSend, ...] = ()
    actions: tuple[ActionToDo, ...] = ()
    problems: tuple[str, ...] = ()
    """What could not be looked up, one sentence each."""


def plans_for(
    incidents: Iterable[Incident],
    actor: Actor,
    *,
    rights: frozenset[Right],
    policy_of: Callable[[str], ApprovalPolicy],
    now: Instant,
) -> tuple[PlanToApprove, ...]:
    """Plans that the person's approval would count for, now or after the escalation."""
    found = []
    for incident in incidents:
        plan, proposed_at = incident.plan, incident.proposed_at
        if incident.phase is not Phase.AWAITING_APPROVAL or plan is None or proposed_at is None:
            continue
        policy = policy_of(incident.declared.service)
        refusal = check_approval(
            policy,
            plan=plan,
            plan_hash=plan.hash,
            proposed_at=proposed_at,
            requested_by=incident.askers,
            approvals=incident.approvals,
            actor=actor,
            rights=rights,
            now=now,
        )
        if refusal is None:
            found.append(PlanToApprove(incident=incident))
        elif refusal is Refusal.NOT_YET and (
            policy.self_approval or actor.id not in {person.id for person in incident.askers}
        ):
            later = escalates_at(policy, proposed_at)
            found.append(PlanToApprove(incident=incident, from_at=later))
    return tuple(found)


def drafts_for(incidents: Iterable[Incident], actor: Actor) -> tuple[DraftToSend, ...]:
    """Messages that wait for the person's word: the Communication Coordinator's, or a stand-in's.

    Whoever holds them back decides too.
    """
    return tuple(
        DraftToSend(incident=incident, messages=tuple(incident.external_drafts))
        for incident in incidents
        if incident.external_drafts and actor.id in _speakers(incident)
    )


def _speakers(incident: Incident) -> frozenset[str]:
    held = {incident.external_held_by.id} if incident.external_held_by else set()
    for role in (Role.COMMUNICATION_COORDINATOR, Role.INCIDENT_COMMANDER):
        people = {p.id for item in incident.team or () if item.role is role for p in item.people}
        if people:
            return frozenset(people | held)
    return frozenset({incident.declared.by.id} | held)


def owners_of(action: CorrectiveAction) -> tuple[str, ...]:
    """The references and names that an action's owner was written with."""
    return tuple(part.strip() for part in action.owner.split(",") if part.strip())


def actions_for(incidents: Iterable[Incident], names: frozenset[str]) -> tuple[ActionToDo, ...]:
    """Open corrective actions of whoever has these ids and names (in lower case)."""
    return tuple(
        ActionToDo(incident=incident, action=action)
        for incident in incidents
        for _, action, _ in open_actions(incident)
        if any(owner.casefold() in names for owner in owners_of(action))
    )
