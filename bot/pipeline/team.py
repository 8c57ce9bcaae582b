"""Who may steer an incident: its team, whoever asked for it, and whoever may approve."""

from __future__ import annotations

from bot.domain.incident import Incident
from bot.domain.values import Actor
from bot.errors import RefusedError
from bot.pipeline.approve import rights_of
from bot.pipeline.context import Context


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
