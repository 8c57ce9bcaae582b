"""Approve at the terminal: the day Slack is down.

The same gate as in Slack: this plan's hash, its safety, its age, the quorum, nobody twice. What
is missing is the proof of who approves, so each such approval is recorded as break-glass.
"""

from __future__ import annotations

from bot.domain import events as e
from bot.domain.approval import Right
from bot.domain.break_glass import Witness, at_terminal, is_group, may_be_same, named
from bot.domain.incident import Incident
from bot.domain.values import Actor
from bot.errors import RefusedError
from bot.pipeline.approve import approval_events, plan_on_the_table
from bot.pipeline.context import Context
from bot.pipeline.journal import Decision


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


async def approve(
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
