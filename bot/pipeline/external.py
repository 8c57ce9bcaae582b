"""Messages to customers: hold them, let them go, and decide about each that waits.

Who may: the Communication Coordinator, the Incident Commander and release managers.
"""

from __future__ import annotations

from bot.domain import events as e
from bot.domain.approval import Right
from bot.domain.external import check_truth, draft_on_the_table
from bot.domain.incident import Incident
from bot.domain.values import Actor
from bot.errors import RefusedError
from bot.pipeline.approve import rights_of
from bot.pipeline.context import Context
from bot.pipeline.journal import Decision

_ROLES = frozenset({e.Role.COMMUNICATION_COORDINATOR, e.Role.INCIDENT_COMMANDER})


async def check_voice(context: Context, incident: Incident, actor: Actor) -> None:
    """Refuse people who may not speak to customers.

    Raises RefusedError that says whom to ask.
    """
    entitled = [role for role in incident.team or () if role.role in _ROLES]
    if actor.id in {person.id for role in entitled for person in role.people}:
        return
    if Right.RELEASE_MANAGER in await rights_of(context, actor):
        return
    names = sorted({person.name for role in entitled for person in role.people})
    ask = f"Ask {', '.join(names)}, or a release manager." if names else "Ask a release manager."
    raise RefusedError(
        "The Communication Coordinator, the Incident Commander and release managers decide what "
        f"customers read in {incident.id}.",
        ask,
    )


async def hold(context: Context, incident_id: str, *, actor: Actor, request_id: str) -> Incident:
    """From now on messages to customers wait for a person.

    Raises RefusedError for people who may not, and when they are held already.
    """
    await _check(context, incident_id, actor)

    def decide(incident: Incident) -> Decision:
        if incident.external_held_by is not None:
            raise RefusedError(
                f"{incident.external_held_by.name} holds messages to customers already.",
                "Drafts appear in the incident's channel.",
            )
        return Decision(events=(e.ExternalHeld(by=actor),))

    return await context.journal.record(incident_id, decide, request_id=request_id)


async def free(context: Context, incident_id: str, *, actor: Actor, request_id: str) -> Incident:
    """From now on messages to customers go out by themselves; drafts still wait for a person.

    Raises RefusedError for people who may not, and when nobody holds them.
    """
    await _check(context, incident_id, actor)

    def decide(incident: Incident) -> Decision:
        if incident.external_held_by is None:
            raise RefusedError(
                "Messages to customers are not held.", "They go out by themselves; do nothing."
            )
        return Decision(events=(e.ExternalFreed(by=actor),))

    return await context.journal.record(incident_id, decide, request_id=request_id)


async def send(
    context: Context,
    incident_id: str,
    number: int,
    *,
    actor: Actor,
    request_id: str,
    text: str = "",
) -> Incident:
    """Let a waiting draft go out, as it stands or in the person's own words.

    Raises RefusedError for people who may not, for a draft that somebody else has decided about,
    and for “resolved” while recovery is not proven.
    """
    await _check(context, incident_id, actor)

    def decide(incident: Incident) -> Decision:
        draft = draft_on_the_table(incident, number)
        check_truth(incident, draft.message)
        own = text.strip() if text.strip() != draft.text else ""
        return Decision(events=(e.ExternalSent(message=draft.message, text=own, by=actor),))

    return await context.journal.record(incident_id, decide, request_id=request_id)


async def discard(
    context: Context, incident_id: str, number: int, *, actor: Actor, request_id: str
) -> Incident:
    """A waiting draft is not sent; raises RefusedError as ``send`` does."""
    await _check(context, incident_id, actor)

    def decide(incident: Incident) -> Decision:
        draft = draft_on_the_table(incident, number)
        return Decision(events=(e.ExternalDiscarded(message=draft.message, by=actor),))

    return await context.journal.record(incident_id, decide, request_id=request_id)


async def _check(context: Context, incident_id: str, actor: Actor) -> None:
    await check_voice(context, await context.journal.load(incident_id), actor)
