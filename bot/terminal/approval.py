"""The gate at the terminal: read the plan, say who approves, type the service's name."""

from __future__ import annotations

from bot.domain.approval import approvals_needed
from bot.domain.break_glass import is_group
from bot.domain.incident import Incident, Phase
from bot.domain.plan import Plan
from bot.errors import RefusedError
from bot.pipeline import break_glass
from bot.pipeline.beat import beat
from bot.terminal.plans import whole_plan
from bot.terminal.printing import here
from bot.terminal.seat import Seat, request_id

_TRIES = 3
"""After so many answers that do not count the incident is left as it is."""


async def ask_for_approval(seat: Seat, incident: Incident, *, approved_by: str) -> Incident:
    """Show the plan and take the approvals that it needs.

    The incident comes back as it is then: approved, with another plan on the table, or unchanged
    when nobody approved. Raises RefusedError when ``approved_by`` is not for this service.
    """
    plan = incident.plan
    if plan is None:
        return incident
    seat.show(whole_plan(plan, incident.baseline, incident.baseline_note))
    if not plan.is_safe:
        seat.say("A plan that is not safe cannot be approved. Mend what blocks it.", style="red")
        return incident
    _explain(seat, incident, plan)
    refused = 0
    while refused < _TRIES:
        approver = await _approver(seat, incident, approved_by)
        if approver is None:
            return incident
        typed = await _confirmation(seat, plan)
        if typed is None:
            return incident
        try:
            incident = await break_glass.approve(
                seat.context,
                incident.id,
                plan_hash=plan.hash,
                operator=seat.operator,
                name=approver,
                typed=typed,
                request_id=request_id(),
            )
        except RefusedError as error:
            refused += 1
            seat.say(here(str(error), incident.id), style="red")
            # Time may have made it void, and a bot that serves may have planned anew.
            await beat(seat.context, incident.id)
            incident = await seat.context.journal.load(incident.id)
        if incident.phase is not Phase.AWAITING_APPROVAL or incident.plan != plan:
            return incident
        approved_by = ""
    seat.say("Nothing was approved.")
    return incident


def check_approved_by(seat: Seat, service: str, name: str) -> None:
    """Refuse ``--approved-by`` where the policy wants to see somebody else.

    Raises RefusedError.
    """
    if name and not seat.context.catalog.approval_of(service).self_approval:
        raise RefusedError(
            f"--approved-by is not for {service}: its policy does not let one person decide.",
            "Leave it out; the other person types their name when the plan is on the table.",
        )


def _explain(seat: Seat, incident: Incident, plan: Plan) -> None:
    policy = seat.context.catalog.approval_of(incident.declared.service)
    given = len({a.by.id for a in incident.approvals if a.plan_hash == plan.hash})
    seat.say(
        "\nNothing has been changed yet. Approving here is break-glass: nobody can be proven to "
        "be who they say, and the report says so.",
        style="yellow",
    )
    seat.say(f"Approvals: {given} of {approvals_needed(policy, plan)}.")
    if not policy.self_approval:
        people = seat.context.catalog.people
        named = (*people.release_managers, *people.on_call_leads)
        known = [one for one in named if not is_group(one)]
        seat.say(
            f"Somebody else than {incident.declared.by.name} has to approve. Let that person read "
            f"this plan and type their own name, as the catalog has it: {', '.join(known)}."
            if known
            else f"Somebody else than {incident.declared.by.name} has to approve: let that person "
            "read this plan and type their own name."
        )


async def _approver(seat: Seat, incident: Incident, approved_by: str) -> str | None:
    """The name to be recorded; empty for the operator; None when nobody is there to approve."""
    policy = seat.context.catalog.approval_of(incident.declared.service)
    if approved_by:
        return approved_by
    if policy.self_approval and not incident.approvals:
        return ""
    name = await seat.ask("Name of the person who approves (Enter: nobody now):")
    return name or None


async def _confirmation(seat: Seat, plan: Plan) -> str | None:
    """What the plan wants typed, once the service's name was; None when it was not."""
    answer = await seat.ask(f"To approve, type the service's name, {plan.service}:")
    if answer != plan.service:
        seat.say("That is not its name: nothing was approved.")
        return None
    if not plan.typed_confirmation:
        return ""
    return await seat.ask(f"This plan also wants its name typed, {plan.typed_confirmation}:")
