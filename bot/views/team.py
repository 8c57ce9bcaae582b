"""Roles and the people in them, in words."""

from __future__ import annotations

from bot.domain.events import Role
from bot.domain.incident import Incident
from bot.views.markup import bold, people

OPTIONAL_ROLES = frozenset({Role.DATABASE_ADMINISTRATOR})
"""The procedure calls for these only where they are needed: here, where a database is concerned."""


def members(incident: Incident, role: Role) -> str:
    """Who fills a role, as mentions; empty when nobody does."""
    for assignment in incident.team or ():
        if assignment.role is role:
            return people(assignment.people)
    return ""


def lead(incident: Incident) -> str:
    """The incident lead: the Incident Commander, else who declared."""
    return members(incident, Role.INCIDENT_COMMANDER) or people((incident.declared.by,))


def called(incident: Incident, role: Role) -> str:
    """A role with its people, to begin a sentence: ``*Incident Commander* (@ana)``."""
    who = members(incident, role)
    if who:
        return f"{bold(role.value)} ({who})"
    return f"{bold(role.value)} (nobody yet; {people((incident.declared.by,))} stands in)"


def unfilled(incident: Incident) -> tuple[Role, ...]:
    """Roles that the catalog names nobody for."""
    return tuple(role for role in Role if not members(incident, role))
