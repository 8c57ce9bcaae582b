"""After the incident: actions that are done, and another time for the post-mortem."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from bot.domain.incident import Incident
from bot.errors import RefusedError
from bot.pipeline import follow_up, post_mortem
from bot.views import ids
from bot.views.post_mortem import move_form
from handlers import forms
from handlers.desk import Body, Desk, actor_of, open_view, request_id_of, submission_id_of


async def action_done(desk: Desk, body: Body, value: str) -> Incident:
    """A corrective action is done: whoever sees the question may say so."""
    incident_id, index, known_as = value.split(" ")
    return await follow_up.done(
        desk.context,
        incident_id,
        index=int(index),
        known_as=known_as,
        actor=actor_of(body),
        request_id=request_id_of(body),
    )


async def open_move(desk: Desk, body: Body, value: str) -> None:
    """Ask for another time."""
    incident = await desk.context.journal.load(value)
    meeting = incident.post_mortem
    if meeting is None:
        raise RefusedError(
            f"{incident.id} has no post-mortem.",
            "The bot sets one up when the incident is resolved.",
        )
    await open_view(desk, body, move_form(incident, meeting))


async def move(desk: Desk, body: Body, view: dict[str, Any]) -> dict[str, Any]:
    """Hold the meeting at the time that was chosen."""
    incident = await desk.context.journal.load(view["private_metadata"])
    meeting = incident.post_mortem
    if meeting is None:
        raise RefusedError(f"{incident.id} has no post-mortem.", "Close this form.")
    await post_mortem.move(
        desk.context,
        incident.id,
        start=_chosen(view, meeting.zone),
        minutes=meeting.minutes,
        actor=actor_of(body),
        request_id=submission_id_of(view),
    )
    return {"response_action": "clear"}


def _chosen(view: dict[str, Any], zone: str) -> datetime:
    """The moment that a clock in the zone shows; raises FormError when no clock ever does."""
    try:
        day = date.fromisoformat(forms.field(view, ids.MEETING_DAY))
        clock = time.fromisoformat(forms.field(view, ids.MEETING_TIME))
    except ValueError:
        raise forms.FormError({ids.MEETING_TIME: "Choose a day and a time."}) from None
    local = datetime.combine(day, clock, ZoneInfo(zone))
    moment = local.astimezone(UTC)
    if moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != local.replace(tzinfo=None):
        told = f"The clocks in {zone} leave this hour out on that day; choose another."
        raise forms.FormError({ids.MEETING_TIME: told})
    return moment
