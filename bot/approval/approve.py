"""Approve: the gate between a plan and production."""

from __future__ import annotations

from bot.communication.markup import REPLAN, UNDO
from bot.core.errors import RefusedError
from bot.core.values import Actor
from bot.engine.context import Context
from bot.engine.journal import Decision
from bot.engine.rights import rights_of
from bot.incident import events as e
from bot.incident.approval import (
    TERMINAL,
    Approval,
    Refusal,
    Right,
    Witness,
    at_terminal,
    check_approval,
    escalates_at,
    is_approved,
    is_group,
    may_be_same,
    named,
)
from bot.incident.plan import Plan
from bot.incident.state import Incident, Phase


async def approve(
    context: Context,
    incident_id: str,
    *,
    plan_hash: str,
    actor: Actor,
    request_id: str,
    typed: str = "",
) -> Incident:
    """Count one person's approval; with the last one needed, the plan may run.

    ``typed`` is what the person typed, where the plan asks for it.
    Raises RefusedError that tells the person why it does not count.
    """
    rights = await rights_of(context, actor)

    def decide(incident: Incident) -> Decision:
        events = approval_events(
            context, incident, plan_hash=plan_hash, actor=actor, rights=rights, typed=typed
        )
        return Decision(events=events)

    return await context.journal.record(incident_id, decide, request_id=request_id)


def approval_events(
    context: Context,
    incident: Incident,
    *,
    plan_hash: str,
    actor: Actor,
    rights: frozenset[Right],
    typed: str,
) -> tuple[e.AnyEvent, ...]:
    """What one person's approval means for the incident.

    Raises RefusedError that tells the person why it does not count.
    """
    plan = plan_on_the_table(incident)
    if incident.proposed_at is None:
        raise RefusedError("The plan has no date.", "Press “Plan again”.")
    policy = context.catalog.approval_of(incident.declared.service)
    now = context.clock.now()
    refusal = check_approval(
        policy,
        plan=plan,
        plan_hash=plan_hash,
        proposed_at=incident.proposed_at,
        requested_by=incident.askers,
        approvals=incident.approvals,
        actor=actor,
        rights=rights,
        now=now,
    )
    if refusal is None and any(
        used.plan_hash == plan_hash and may_be_same(used.approver, actor)
        for used in incident.break_glass
    ):
        refusal = Refusal.TWICE
    if refusal is None and not policy.self_approval and _asked_at_terminal(incident, actor):
        refusal = Refusal.OWN_REQUEST
    if refusal is not None:
        raise _explained(refusal, plan, incident, context)
    if typed.strip() != plan.typed_confirmation:
        raise RefusedError(
            "What was typed is not the name that the plan asks for.",
            f"Type exactly {plan.typed_confirmation}, if you are sure.",
        )
    approval = Approval(plan_hash=plan_hash, by=actor, at=now)
    events: list[e.AnyEvent] = [e.ApprovalGiven(approval=approval)]
    if is_approved(policy, plan, (*incident.approvals, approval)):
        events.append(e.PlanApproved(plan_hash=plan_hash))
    return tuple(events)


def _asked_at_terminal(incident: Incident, actor: Actor) -> bool:
    """Whether somebody asked under a login that may be this person's; Slack knows no logins."""
    return any(
        asker.id.startswith(TERMINAL) and may_be_same(asker, actor) for asker in incident.askers
    )


async def reject(
    context: Context,
    incident_id: str,
    *,
    plan_hash: str,
    actor: Actor,
    reason: str,
    request_id: str = "",
) -> Incident:
    """Take a plan off the table; whoever may approve may reject, at any time."""
    if not await rights_of(context, actor):
        raise RefusedError(
            "Only people who may approve a plan may reject it.",
            "Say in the channel what worries you; a release manager can reject it.",
        )

    def decide(incident: Incident) -> Decision:
        plan = plan_on_the_table(incident)
        if plan.hash != plan_hash:
            raise _explained(Refusal.OUTDATED, plan, incident, context)
        return Decision(events=(e.PlanRejected(by=actor, reason=reason),))

    return await context.journal.record(incident_id, decide, request_id=request_id)


async def request_plan(
    context: Context,
    incident_id: str,
    *,
    actor: Actor,
    target: str | None,
    request_id: str,
    parts: tuple[str, ...] | None = None,
) -> Incident:
    """Ask for a new plan, perhaps to another target; the plan before is off the table.

    ``parts`` are those of a composed rollback that are wanted: empty for all, None for those of
    the plan before.
    """
    requested = e.PlanRequested(by=actor, target_release=target, parts=parts)
    return await context.journal.record(
        incident_id, lambda _: Decision(events=(requested,)), request_id=request_id
    )


def plan_on_the_table(incident: Incident) -> Plan:
    """The plan that waits for approval; raises RefusedError when there is none."""
    if incident.plan is None or incident.phase is not Phase.AWAITING_APPROVAL:
        raise RefusedError(
            f"{incident.id} has no plan that waits for approval.",
            "The status card says where it stands.",
        )
    return incident.plan


def _explained(refusal: Refusal, plan: Plan, incident: Incident, context: Context) -> RefusedError:
    """The refusal in words for the person who clicked."""
    policy = context.catalog.approval_of(incident.declared.service)
    blocks = " ".join(preflight.sentence for preflight in plan.blocks)
    when = escalates_at(policy, incident.proposed_at) if incident.proposed_at else None
    what, remedy = {
        Refusal.OUTDATED: (
            "This is not the plan on the table any more.",
            "Read the newest plan card and approve that one.",
        ),
        Refusal.UNSAFE: (
            f"This plan is not safe. {blocks}",
            f"Mend what blocks it, then press “{UNDO if plan.undoes else REPLAN}”.",
        ),
        Refusal.EXPIRED: (
            "This plan is too old: the live system may have changed since.",
            "A new plan is being made; approve that one.",
        ),
        Refusal.NO_RIGHT: (
            "You are neither a release manager nor an on-call lead.",
            "Ask one of them to approve; the plan card says who.",
        ),
        Refusal.NOT_YET: (
            "On-call leads may approve when the release managers do not answer in time.",
            f"You can approve from {when:%H:%M:%S} UTC on, if nobody did before." if when else "",
        ),
        Refusal.OWN_REQUEST: (
            "You asked for this rollback, so somebody else has to approve it.",
            "Ask another release manager or on-call lead.",
        ),
        Refusal.TWICE: (
            "You have approved this plan already.",
            "Another person's approval is needed.",
        ),
    }[refusal]
    return RefusedError(what, remedy)


# Approve at the terminal: the day Slack is down.
#
# The same gate as in Slack: this plan's hash, its safety, its age, the quorum, nobody twice. What
# is missing is the proof of who approves, so each such approval is recorded as break-glass.


def witness(context: Context, incident: Incident, *, operator: Actor, name: str) -> Witness:
    """Whose approval a typed name stands for; an empty one is the operator's own, if it may be.

    Raises RefusedError when the rule of docs/decisions/011 does not let it count.
    """
    people = context.catalog.people
    alone = context.catalog.approval_of(incident.declared.service).self_approval
    if alone and not incident.approvals:
        return _first_of_a_lone_decision(operator, name)
    found = named(name, managers=people.release_managers, leads=people.on_call_leads)
    if found is None:
        unknown = f"“{name.strip()}” is not a name under which the catalog knows an approver."
        raise RefusedError(
            unknown if name.strip() else "Nobody was named, and somebody's approval is wanted.",
            f"It knows: {', '.join(_known(context))}.",
        )
    asked = next((one for one in incident.askers if may_be_same(found.actor, one)), None)
    if not alone and asked is not None:
        raise RefusedError(
            f"{asked.name} asked for this rollback, so somebody else has to approve it.",
            "Let that person type their name.",
        )
    return found


def _first_of_a_lone_decision(operator: Actor, name: str) -> Witness:
    """Where the policy lets one person decide: the operator, or whom they say has agreed."""
    who = "the operator" if not name.strip() else f"agreed, as {operator.name} says"
    return Witness(
        actor=at_terminal(name) if name.strip() else operator,
        rights=frozenset({Right.RELEASE_MANAGER}),
        standing=f"{who}; the policy lets one person decide",
    )


async def approve_at_terminal(
    context: Context,
    incident_id: str,
    *,
    plan_hash: str,
    operator: Actor,
    name: str,
    typed: str,
    request_id: str,
) -> Incident:
    """Count one approval that was typed at the terminal; with the last one the plan may run.

    ``typed`` is what was typed where the plan asks for a name, such as a database's.
    Raises RefusedError that says why it does not count.
    """

    def decide(incident: Incident) -> Decision:
        plan_on_the_table(incident)
        found = witness(context, incident, operator=operator, name=name)
        for given in incident.approvals:
            if given.plan_hash == plan_hash and may_be_same(given.by, found.actor):
                raise RefusedError(
                    f"{given.by.name} has approved this plan already.",
                    "Another person's approval is needed.",
                )
        approved = approval_events(
            context,
            incident,
            plan_hash=plan_hash,
            actor=found.actor,
            rights=found.rights,
            typed=typed,
        )
        used = e.BreakGlassUsed(
            by=operator, approver=found.actor, plan_hash=plan_hash, standing=found.standing
        )
        return Decision(events=(used, *approved))

    return await context.journal.record(incident_id, decide, request_id=request_id)


def _known(context: Context) -> list[str]:
    people = context.catalog.people
    return [
        reference
        for reference in (*people.release_managers, *people.on_call_leads)
        if not is_group(reference)
    ]
