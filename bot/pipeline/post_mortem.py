"""The post-mortem: invited to once the incident is resolved, moved by people, reminded of."""

from __future__ import annotations

from datetime import datetime

from bot.domain import events as e
from bot.domain.incident import Incident
from bot.domain.post_mortem import choose_slot, involved, is_late, needs_slot
from bot.domain.values import Actor
from bot.errors import RefusedError
from bot.pipeline import follow_up_state
from bot.pipeline.attempts import Paper, record_if
from bot.pipeline.context import Context
from bot.pipeline.journal import Decision
from bot.pipeline.team import check_team
from bot.ports.store import Attachment, Lease
from bot.views.calendar import MEDIA_TYPE, file_name, invitation


def is_owed(context: Context, incident: Incident) -> bool:
    """Whether a resolved incident still lacks its meeting."""
    return needs_slot(incident)


async def write(context: Context, incident: Incident, lease: Lease | None) -> None:
    """Choose the slot, and invite everybody who had a part."""
    if incident.resolved_at is None:
        return
    settings, people = context.catalog.post_mortem, involved(incident)
    now = context.clock.now()
    slot = choose_slot(
        incident.resolved_at,
        now,
        minutes=settings.length_of(incident.declared.verdict.severity),
        hours=settings.calendar,
    )
    addresses = await context.chat.addresses(people)
    event = e.PostMortemScheduled(
        start=slot.start,
        minutes=slot.minutes,
        zone=slot.zone,
        late=slot.late,
        people=people,
        addresses=addresses,
        organizer=settings.organizer or _lead_address(incident, addresses),
        email=settings.email,
        sequence=_next_sequence(incident),
    )
    file = _file(incident, event, now)
    await record_if(context, incident, event, needs_slot, lease=lease, attachments=(file,))


async def move(
    context: Context,
    incident_id: str,
    *,
    start: datetime,
    minutes: int,
    actor: Actor,
    request_id: str,
) -> Incident:
    """Hold the meeting at another time, and invite everybody anew.

    Raises RefusedError for a time that is over, and to people who have no part in the incident.
    """
    incident = await context.journal.load(incident_id)
    await _check_invited(context, incident, actor)
    now = context.clock.now()
    if start <= now:
        raise RefusedError("This time is over.", "Choose one to come.")
    going_on = await follow_up_state.going_on(context, incident)

    def decide(incident: Incident) -> Decision:
        meeting = incident.post_mortem
        if meeting is None:
            raise RefusedError(
                f"{incident.id} has no post-mortem to be moved.",
                "The bot sets one up when the incident is resolved.",
            )
        changes = {
            "start": start,
            "minutes": minutes,
            "late": is_late(incident, start),
            "by": actor,
            "sequence": _next_sequence(incident),
        }
        moved = meeting.model_copy(update=changes)
        file = _file(incident, moved, now)
        return Decision(events=(moved,), attachments=(file,), documents=going_on)

    return await context.journal.record(incident_id, decide, request_id=request_id)


async def _check_invited(context: Context, incident: Incident, actor: Actor) -> None:
    invited = incident.post_mortem.people if incident.post_mortem else ()
    if actor.id not in {person.id for person in invited}:
        await check_team(context, incident, actor)


def _next_sequence(incident: Incident) -> int:
    return incident.post_mortem.sequence + 1 if incident.post_mortem else 0


def _file(incident: Incident, event: e.PostMortemScheduled, now: datetime) -> Attachment:
    text = invitation(incident, event, now)
    return Attachment(name=file_name(incident, event), media_type=MEDIA_TYPE, content=text.encode())


def _lead_address(incident: Incident, addresses: dict[str, str]) -> str:
    """Of the Incident Commander, else of whoever resolved or declared it."""
    commanders = [
        person
        for role in incident.team or ()
        if role.role is e.Role.INCIDENT_COMMANDER
        for person in role.people
    ]
    candidates = [*commanders, incident.resolved_by, incident.declared.by]
    known = (addresses.get(person.id, "") for person in candidates if person)
    return next(filter(None, known), "")


PAPER = Paper(name="Post-mortem", is_owed=is_owed, write=write)
