"""Buttons and the form about messages to customers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bot.domain.external import draft_on_the_table
from bot.domain.incident import Incident
from bot.errors import RefusedError
from bot.pipeline import external
from bot.views import ids, modals
from handlers import forms
from handlers.desk import Body, Desk, actor_of, open_view, request_id_of, submission_id_of


def _named(value: str) -> tuple[str, int]:
    """The incident and the draft that a button is about.

    Raises RefusedError when it names none.
    """
    incident_id, _, number = value.partition(" ")
    if not number.isdecimal():
        raise RefusedError("This button names no draft.", "Look for the newest one in the channel.")
    return incident_id, int(number)


async def hold(desk: Desk, body: Body, value: str) -> Incident:
    """From now on messages to customers wait for a person."""
    return await external.hold(
        desk.context, value, actor=actor_of(body), request_id=request_id_of(body)
    )


async def free(desk: Desk, body: Body, value: str) -> Incident:
    """Messages to customers go out by themselves again."""
    return await external.free(
        desk.context, value, actor=actor_of(body), request_id=request_id_of(body)
    )


async def send(desk: Desk, body: Body, value: str) -> Incident:
    """Send a draft as it stands."""
    return await _decided(external.send, desk, body, value)


async def discard(desk: Desk, body: Body, value: str) -> Incident:
    """A draft is not sent."""
    return await _decided(external.discard, desk, body, value)


async def _decided(
    decide: Callable[..., Awaitable[Incident]], desk: Desk, body: Body, value: str
) -> Incident:
    incident_id, number = _named(value)
    return await decide(
        desk.context,
        incident_id,
        number,
        actor=actor_of(body),
        request_id=request_id_of(body),
    )


async def open_edit(desk: Desk, body: Body, value: str) -> None:
    """Show the form; who may not send is told so before they write."""
    incident_id, number = _named(value)
    incident = await desk.context.journal.load(incident_id)
    draft = draft_on_the_table(incident, number)
    await external.check_voice(desk.context, incident, actor_of(body))
    await open_view(desk, body, modals.edit_external_form(incident, draft))


async def submit_edit(desk: Desk, body: Body, view: dict[str, Any]) -> dict[str, Any]:
    """Send a draft in the person's own words."""
    incident_id, number = _named(view["private_metadata"])
    text = forms.field(view, ids.TEXT)
    if not text:
        raise forms.FormError({ids.TEXT: "Write what customers are to read, or press Cancel."})
    await external.send(
        desk.context,
        incident_id,
        number,
        actor=actor_of(body),
        request_id=submission_id_of(view),
        text=text,
    )
    return {"response_action": "clear"}
