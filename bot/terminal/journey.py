"""An incident from one end of the terminal to the other: ``run`` and ``resume``."""

from __future__ import annotations

from collections.abc import Collection

from bot.approval import approve
from bot.approval.beat import beat
from bot.assessment import declare
from bot.communication.state import headline
from bot.core.errors import RefusedError
from bot.core.printable import here
from bot.execution import execute
from bot.incident import events as e
from bot.incident.approval import approvals_needed, is_group
from bot.incident.duties import owed
from bot.incident.plan import Plan
from bot.incident.state import Incident, Phase
from bot.incident.transitions import is_allowed
from bot.paperwork import conclude
from bot.paperwork.model import NotAnActionError, parse_actions
from bot.terminal.live import Follower, Seat, request_id
from bot.terminal.plans import whole_plan

# The end at the terminal: what to do after the judgement, and the words for the report.


async def ask_what_next(seat: Seat, incident: Incident, *, target: str | None) -> Incident:
    """Plan or verify again, as the operator wishes; unchanged when they only press Enter."""
    choices = {"plan": "plan again"}
    if incident.phase in {Phase.NOT_RECOVERED, Phase.INCONCLUSIVE}:
        choices["verify"] = "measure and judge again"
    if is_allowed(incident, e.UndoRequested):
        choices["undo"] = "take the steps back that were done"
    choices["close"] = "resolve the incident as it is"
    told = ", ".join(f"“{word}” to {meaning}" for word, meaning in choices.items())
    answer = await _one_of(seat, choices, f"What next? Type {told} (Enter: leave it open):")
    if answer == "plan":
        return await approve.request_plan(
            seat.context,
            incident.id,
            actor=seat.operator,
            target=target,
            request_id=request_id(),
        )
    if answer == "undo":
        return await execute.request_undo(
            seat.context, incident.id, actor=seat.operator, request_id=request_id()
        )
    if answer == "verify":
        return await conclude.request_verification(
            seat.context, incident.id, actor=seat.operator, request_id=request_id()
        )
    if answer == "close":
        return await ask_for_conclusion(seat, incident)
    return incident


async def ask_for_conclusion(seat: Seat, incident: Incident) -> Incident:
    """Resolve the incident with the operator's words; unchanged without a root cause."""
    seat.say("\nThe incident stays open, and its service claimed, until it is resolved.")
    cause = await seat.ask("Root cause, as far as it is known (Enter: leave the incident open):")
    if not cause:
        return incident
    actions = await _actions(seat)
    follow_up = await ask_for_follow_up(seat)
    conclusion = e.Conclusion(
        root_cause=cause,
        corrective_actions=actions,
        follow_up=follow_up,
    )
    return await conclude.resolve(
        seat.context,
        incident.id,
        conclusion=conclusion,
        actor=seat.operator,
        request_id=request_id(),
    )


async def _actions(seat: Seat) -> tuple[e.CorrectiveAction, ...]:
    """What is typed, asked for again until it can be understood."""
    seat.say("Corrective actions, for example: Add a test @anna 2026-12-01; Alert on refunds @ben")
    while True:
        typed = await seat.ask("All of them, separated by “;” (Enter: none yet):")
        lines = (typed or "").replace(";", "\n")
        try:
            return parse_actions(lines, today=seat.context.clock.now().date())
        except NotAnActionError as error:
            seat.say(str(error), style="yellow")


async def ask_for_follow_up(seat: Seat) -> e.FollowUp:
    """What becomes of the withdrawn release."""
    words = {"hotfix": e.FollowUp.HOTFIX, "defer": e.FollowUp.DEFER, "replan": e.FollowUp.REPLAN}
    told = ", ".join(f"“{word}” ({one.value})" for word, one in words.items())
    answer = await _one_of(seat, words, f"The withdrawn release: {told} (Enter: replan):")
    return words.get(answer, e.FollowUp.REPLAN)


async def _one_of(seat: Seat, words: Collection[str], question: str) -> str:
    """One of the words, asked for again after a slip; empty for Enter and when nobody is there."""
    while True:
        answer = (await seat.ask(question) or "").lower()
        if not answer or answer in words:
            return answer
        seat.say(f"“{answer}” is none of these.", style="yellow")


# The last lines of a conversation: where the incident stands, and how to go on.


def say_goodbye(seat: Seat, incident: Incident) -> None:
    """Say what is so, and every command that helps from here."""
    seat.say(f"\n{incident.id}: {headline(incident)}", style="bold")
    if incident.phase is not Phase.RESOLVED:
        seat.say(f"Go on:      rollback-bot resume {incident.id}")
    if owed(incident) is not None:
        seat.say("Work is still owed: resume does it, or a bot that serves with the same store.")
    seat.say(f"The report: rollback-bot report {incident.id}")


# The gate at the terminal: read the plan, say who approves, type the service's name.

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
            incident = await approve.approve_at_terminal(
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


_NEEDS_A_PERSON = frozenset(
    {
        Phase.PLANNING_FAILED,
        Phase.REJECTED,
        Phase.STOPPED,
        Phase.NOT_RECOVERED,
        Phase.INCONCLUSIVE,
    }
)


async def begin(
    seat: Seat,
    *,
    service: str,
    strategy: str | None,
    target: str | None,
    reason: str,
    parts: tuple[str, ...] = (),
    approved_by: str,
) -> Incident:
    """Declare an incident and go all the way with it.

    Raises RefusedError when it cannot begin.
    """
    check_approved_by(seat, service, approved_by)
    incident = await declare.declare_at_terminal(
        seat.context,
        service=service,
        strategy=strategy,
        target_release=target,
        parts=parts,
        reason=reason,
        operator=seat.operator,
    )
    follower = Follower(seat=seat, incident_id=incident.id)
    return await _go(seat, follower, target=target, approved_by=approved_by)


async def go_on(seat: Seat, incident_id: str, *, target: str | None, approved_by: str) -> Incident:
    """Take an incident up where it stands, wherever it began.

    Raises NotFoundError for an unknown id.
    """
    incident = await seat.context.journal.load(incident_id)
    check_approved_by(seat, incident.declared.service, approved_by)
    seat.say(f"{incident.id}: {headline(incident)}", style="bold")
    follower = Follower(seat=seat, incident_id=incident.id, told=incident.seq)
    if incident.paused_by is not None:
        wish = e.ResumeRequested(by=seat.operator)
        await execute.steer(seat.context, incident.id, wish, request_id=request_id())
    elif incident.phase in _NEEDS_A_PERSON:
        after = await ask_what_next(seat, incident, target=target)
        if after.seq == incident.seq:
            return incident
    return await _go(seat, follower, target=target, approved_by=approved_by)


async def _go(seat: Seat, follower: Follower, *, target: str | None, approved_by: str) -> Incident:
    """Work and ask in turns, until nobody is left to be asked."""
    incident = await follower.until_quiet()
    while True:
        before = incident
        if incident.phase is Phase.AWAITING_APPROVAL:
            incident = await ask_for_approval(seat, incident, approved_by=approved_by)
            if incident.phase is Phase.AWAITING_APPROVAL and incident.plan == before.plan:
                return incident
        elif incident.phase is Phase.RECOVERED:
            incident = await ask_for_conclusion(seat, incident)
        elif incident.phase in _NEEDS_A_PERSON:
            seat.say(f"{incident.id}: {headline(incident)}", style="bold")
            incident = await ask_what_next(seat, incident, target=target)
        if incident.seq == before.seq:
            return incident
        incident = await follower.until_quiet()
