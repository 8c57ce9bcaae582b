"""Approve: the gate between a plan and production."""

from __future__ import annotations

from bot.domain import events as e
from bot.domain.approval import Approval, Refusal, Right, check_approval, escalates_at, is_approved
from bot.domain.break_glass import TERMINAL, may_be_same
from bot.domain.incident import Incident, Phase
from bot.domain.plan import Plan
from bot.domain.values import Actor
from bot.errors import RefusedError
from bot.pipeline.context import Context
from bot.pipeline.journal import Decision
from bot.views.labels import REPLAN, UNDO


async def rights_of(context: Context, actor: Actor) -> frozenset[Right]:
    """What a person is entitled to now; looked up at every click.

    Raises TemporaryError when Slack cannot say, which is not a yes.
    """
    people = context.catalog.people
    managers = await context.chat.resolve(people.release_managers)
    leads = await context.chat.resolve(people.on_call_leads)
    rights = set()
    if actor.id in {person.id for person in managers.people}:
        rights.add(Right.RELEASE_MANAGER)
    if actor.id in {person.id for person in leads.people}:
        rights.add(Right.ON_CALL_LEAD)
    return frozenset(rights)


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
