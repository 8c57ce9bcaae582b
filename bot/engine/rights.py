"""Approve: the gate between a plan and production."""

from __future__ import annotations

from bot.core.errors import RefusedError
from bot.core.values import Actor
from bot.engine.context import Context
from bot.incident.approval import Right
from bot.incident.state import Incident


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


# Who may steer an incident: its team, whoever asked for it, and whoever may approve.


async def check_team(context: Context, incident: Incident, actor: Actor) -> None:
    """Refuse people who have nothing to do with the incident.

    Raises RefusedError that says whom to ask.
    """
    involved = {person.id for role in incident.team or () for person in role.people}
    if actor.id in involved | {incident.declared.by.id}:
        return
    if await rights_of(context, actor):
        return
    raise RefusedError(
        f"You are not in the team of {incident.id}.",
        "Ask somebody of the team; the status card names them.",
    )
