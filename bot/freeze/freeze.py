"""Deploy freeze: set after a proven rollback, lifted by people, by time, or by what comes next.

The incident's events say whether deploys are frozen. Marks on the live system are copies for CI:
where they are missing, the freeze holds all the same. A document for every freeze remembers its
marks until they are gone, also when the incident is closed long since.
"""

from __future__ import annotations

from datetime import timedelta

import structlog

from bot.core.errors import (
    DuplicateRequestError,
    PermanentError,
    RefusedError,
    RollbackBotError,
    TemporaryError,
)
from bot.core.values import Actor
from bot.engine.context import Context
from bot.engine.engine import each
from bot.engine.journal import Decision
from bot.engine.rights import check_team
from bot.incident import events as e
from bot.incident.approval import may_be_same, named
from bot.incident.duties import Duty, owed
from bot.incident.fold import fold
from bot.incident.freeze import Freeze, MarkedObject
from bot.incident.state import Incident
from bot.store.store import Store
from bot.store.values import Document, Lease

log = structlog.get_logger()

KIND = "freeze"
PATIENCE = timedelta(minutes=2)
"""How long marks are tried while the cluster does not answer; nothing else waits for longer."""


async def settle(context: Context, incident: Incident, lease: Lease) -> None:
    """Duty FREEZE: set the freeze that the rollback calls for, or lift it before an undo."""
    if incident.plan is None or incident.plan.undoes:
        lifted = e.FreezeLifted(why="the rollback is being undone")
        incident = await context.journal.add(incident.id, lifted, lease=lease)
        await clear_all(context, incident)
        return
    freezes, problems = await _freezes(context, incident)
    for freeze in freezes:
        await _replace_older(context, freeze)
        # Before the marks: whoever finds the document knows where marks may be.
        await context.store.put(_document(freeze))
    marks, unmarked = await _mark_all(context, incident, freezes)
    event = e.FreezeSet(marks=marks, problems=(*problems, *unmarked), freezes=tuple(freezes))
    await context.journal.add(incident.id, event, lease=lease)


async def _freezes(context: Context, incident: Incident) -> tuple[list[Freeze], list[str]]:
    """One for each service, with the objects to be marked, and why some are not known."""
    if incident.plan is None or incident.judged_at is None:
        raise RefusedError(f"{incident.id} has no judgement.", "Press “Verify again”.")
    objects: dict[str, tuple[MarkedObject, ...]] = {}
    releases = {part.service: part.from_release for part in incident.plan.moved}
    problems = []
    for part in incident.plan.involved:
        known = objects.setdefault(part.service, ())
        try:
            entry = context.service(part.service)
            found = await context.freezer.objects(entry, part.strategy, context.world)
        except (PermanentError, RefusedError, TemporaryError) as error:
            _raise_while_patient(context, incident, error)
            problems.append(f"{part.service}: {error}")
            continue
        objects[part.service] = tuple(dict.fromkeys((*known, *found)))
    freezes = [
        Freeze(
            service=service,
            incident_id=incident.id,
            plan_hash=incident.plan.hash,
            release=releases[service],
            # From the judgement on, so that every repetition writes the same mark.
            until=incident.judged_at + context.catalog.freeze_for,
            objects=objects[service],
        )
        for service in objects
    ]
    return freezes, problems


async def _mark_all(
    context: Context, incident: Incident, freezes: list[Freeze]
) -> tuple[tuple[str, ...], list[str]]:
    """Where the mark stands now, and where it could not be written and what to do."""
    marks, problems = [], []
    for freeze in freezes:
        for marked in freeze.objects:
            try:
                await context.freezer.mark(marked, freeze, context.world)
            except (PermanentError, TemporaryError) as error:
                _raise_while_patient(context, incident, error)
                problems.append(f"{marked}: {error}")
            else:
                marks.append(str(marked))
    return tuple(marks), problems


def _raise_while_patient(context: Context, incident: Incident, error: RollbackBotError) -> None:
    """Let the engine try again while that may help; after that the missing mark is told."""
    start = incident.judged_at
    patient = start is not None and context.clock.now() < start + PATIENCE
    if isinstance(error, TemporaryError) and patient:
        raise error


async def _replace_older(context: Context, freeze: Freeze) -> None:
    """A newer rollback of the service speaks for it from now on."""
    for older in await _remembered(context.store, freeze.service):
        if older.incident_id != freeze.incident_id:
            await record_lifted(
                context, older, e.FreezeLifted(why=f"{freeze.incident_id} froze anew")
            )


async def record_lifted(
    context: Context, freeze: Freeze, lifted: e.FreezeLifted, *, request_id: str = ""
) -> Incident:
    """Say so in its incident, unless that has been said already."""

    def decide(incident: Incident) -> Decision | None:
        return Decision(events=(lifted,)) if _stands(incident, freeze) else None

    try:
        return await context.journal.record(freeze.incident_id, decide, request_id=request_id)
    except DuplicateRequestError:
        return await context.journal.load(freeze.incident_id)


async def standing(store: Store, service: str) -> Freeze | None:
    """The freeze that holds for a service, as the bot's own record has it; None when it is free.

    Its end may be past: until somebody or the bot has lifted it, ``until`` tells.
    """
    for freeze in await _remembered(store, service):
        if _stands(fold(freeze.incident_id, await store.load(freeze.incident_id)), freeze):
            return freeze
    return None


async def look(context: Context) -> None:
    """Lift what has ended and take away marks that no longer hold; called by the scheduler."""
    await each(context, KIND, Freeze, _look_at)


async def _look_at(context: Context, freeze: Freeze) -> None:
    incident = await context.journal.load(freeze.incident_id)
    if _stands(incident, freeze):
        if context.clock.now() < freeze.until:
            return
        ended = e.FreezeLifted(why="its time has ended")
        incident = await record_lifted(context, freeze, ended)
    elif owed(incident) is Duty.FREEZE:
        return  # It is being set.
    await _clear(context, freeze)


async def clear_all(context: Context, incident: Incident) -> None:
    """Take the marks of an incident's lifted freezes away; what fails is tried again later."""
    for freeze in await _remembered(context.store):
        if freeze.incident_id == incident.id and not _stands(incident, freeze):
            await _clear(context, freeze)


async def _clear(context: Context, freeze: Freeze) -> None:
    """Forget a freeze once its marks are gone, or can never be taken away."""
    for marked in freeze.objects:
        try:
            await context.freezer.unmark(marked, freeze, context.world)
        except TemporaryError as error:
            log.warning("mark not taken away yet", object=str(marked), error=str(error))
            return
        except PermanentError as error:
            # The mark tells its own end; whoever may can take it away by hand.
            log.warning("mark stays", object=str(marked), error=str(error))
    await context.store.delete(KIND, freeze.key)


def _stands(incident: Incident, freeze: Freeze) -> bool:
    return incident.freeze is not None and incident.freeze.plan_hash == freeze.plan_hash


async def _remembered(store: Store, service: str | None = None) -> list[Freeze]:
    found = [Freeze.model_validate(document.body) for document in await store.documents(KIND)]
    return [freeze for freeze in found if service in {None, freeze.service}]


def _document(freeze: Freeze) -> Document:
    return Document(kind=KIND, id=freeze.key, body=freeze.model_dump(mode="json"))


# Unfreeze: people let deploys of a service go on, in Slack or at a terminal.


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
    freeze = await standing(context.store, service)
    if freeze is None:
        raise RefusedError(f"Deploys of {service} are not frozen.", "Nothing needs to be done.")
    return freeze


async def _lift(
    context: Context, freeze: Freeze, lifted: e.FreezeLifted, request_id: str
) -> Freeze:
    incident = await record_lifted(context, freeze, lifted, request_id=request_id)
    await clear_all(context, incident)
    return freeze
