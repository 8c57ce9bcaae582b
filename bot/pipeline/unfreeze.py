"""Unfreeze: people let deploys of a service go on, in Slack or at a terminal."""

from __future__ import annotations

from bot.domain import events as e
from bot.domain.break_glass import may_be_same, named
from bot.domain.freeze import Freeze
from bot.domain.values import Actor
from bot.errors import RefusedError
from bot.pipeline import freeze as freezes
from bot.pipeline.context import Context
from bot.pipeline.team import check_team


async def lift(context: Context, service: str, *, actor: Actor, request_id: str) -> Freeze:
    """Free a service's deploys, with those of every service that was rolled back with it.

    Raises RefusedError when nothing is frozen, and for people outside the incident's team who
    may not approve either.
    """
    freeze = await _frozen(context, service)
    await check_team(context, await context.journal.load(freeze.incident_id), actor)
    return await _lift(context, freeze, e.FreezeLifted(by=actor), request_id)


async def lift_at_terminal(
    context: Context, service: str, *, operator: Actor, name: str, request_id: str
) -> Freeze:
    """The same without Slack: ``name`` is who decides, as the catalog knows them.

    An empty name is the operator's own. As with approvals nobody is proven to be who they say
    (docs/decisions/011), and the record says where it was typed. Raises RefusedError as ``lift``.
    """
    freeze = await _frozen(context, service)
    incident = await context.journal.load(freeze.incident_id)
    people = context.catalog.people
    found = named(
        name or operator.name, managers=people.release_managers, leads=people.on_call_leads
    )
    involved = {incident.declared.by, *(p for role in incident.team or () for p in role.people)}
    own = not name and any(may_be_same(operator, person) for person in involved)
    if not own and found is None:
        raise RefusedError(
            f"{name or operator.name} is not known to be in the team of {incident.id}, nor to "
            "approve rollbacks.",
            "Name a release manager or on-call lead who decides, as rollback.yml has them: "
            "--by NAME.",
        )
    who = operator if own or found is None else found.actor
    where = f"typed at the terminal of {operator.name}"
    return await _lift(context, freeze, e.FreezeLifted(by=who, why=where), request_id)


async def _frozen(context: Context, service: str) -> Freeze:
    context.service(service)
    freeze = await freezes.standing(context.store, service)
    if freeze is None:
        raise RefusedError(f"Deploys of {service} are not frozen.", "Nothing needs to be done.")
    return freeze


async def _lift(
    context: Context, freeze: Freeze, lifted: e.FreezeLifted, request_id: str
) -> Freeze:
    incident = await freezes.record_lifted(context, freeze, lifted, request_id=request_id)
    await freezes.clear_all(context, incident)
    return freeze
