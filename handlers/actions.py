"""Buttons."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from slack_bolt.async_app import AsyncApp

from bot.approval import approve
from bot.communication import external, ids, modals
from bot.communication.frame import stakeholder_channels
from bot.core.errors import RefusedError
from bot.core.values import Actor
from bot.engine.rights import check_team
from bot.execution import execute, multi_service
from bot.incident import events as e
from bot.incident.external import draft_on_the_table
from bot.incident.state import Incident
from bot.paperwork import conclude, follow_up, post_mortem
from bot.paperwork.post_mortem import move_form
from handlers import forms
from handlers.commands import open_assessment
from handlers.desk import (
    Ack,
    Body,
    Desk,
    acknowledge_within,
    actor_of,
    attempt,
    open_view,
    request_id_of,
    submission_id_of,
)

# Buttons and the form about messages to customers.


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
    await open_view(desk, body, external.edit_external_form(incident, draft))


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


# After the incident: actions that are done, and another time for the post-mortem.


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


log = structlog.get_logger()

Click = Callable[[Desk, Body, str], Awaitable[object]]
"""Carries out one click; the text is the button's value."""


def register(app: AsyncApp, desk: Desk) -> None:
    """Listen to every button."""
    for action_id, click in CLICKS.items():
        # Several buttons of one kind in one message are told apart by what follows “_”.
        app.action(re.compile(rf"^{action_id}(_.+)?$"))(_listener(desk, click))


def _listener(desk: Desk, click: Click) -> Callable[..., Awaitable[None]]:
    async def on_click(ack: Ack, body: Body, action: dict[str, Any]) -> None:
        value = str(action.get("value") or "")
        await acknowledge_within(ack, attempt(desk, body, click(desk, body, value)))

    return on_click


async def _assess(desk: Desk, body: Body, value: str) -> None:
    service, _, prefill_id = value.partition(" ")
    desk.context.service(service)
    channel = (body.get("channel") or {}).get("id") or _usual_place(desk, body, service)
    await open_assessment(desk, body, service, asked_in=str(channel), prefill_id=prefill_id.strip())


def _usual_place(desk: Desk, body: Body, service: str) -> str:
    """Where an incident runs that was asked for outside any channel and gets none of its own."""
    channels = stakeholder_channels(desk.context.catalog, service)
    return channels[0] if channels else actor_of(body).id


async def _approve(desk: Desk, body: Body, value: str) -> Incident | None:
    incident_id, _, plan_hash = value.partition(" ")
    incident = await desk.context.journal.load(incident_id)
    plan = incident.plan
    if plan and plan.hash == plan_hash and plan.typed_confirmation:
        await open_view(desk, body, modals.confirm_form(incident_id, plan))
        return None
    return await approve.approve(
        desk.context,
        incident_id,
        plan_hash=plan_hash,
        actor=actor_of(body),
        request_id=request_id_of(body),
    )


async def _open_reject(desk: Desk, body: Body, value: str) -> None:
    incident_id, _, plan_hash = value.partition(" ")
    await open_view(desk, body, modals.reject_form(incident_id, plan_hash))


async def _open_replan(desk: Desk, body: Body, value: str) -> None:
    incident = await desk.context.journal.load(value.partition(" ")[0])
    parts = multi_service.parts_of(desk.context, incident)
    await open_view(desk, body, modals.replan_form(incident, parts=parts))


async def _open_words(desk: Desk, body: Body, value: str) -> None:
    await open_view(desk, body, modals.words_form(value))


async def _open_resolve(desk: Desk, body: Body, value: str) -> None:
    incident = await desk.context.journal.load(value)
    await open_view(desk, body, modals.resolve_form(incident))


def _steer(wish: Callable[[Actor], execute.Wish]) -> Click:
    async def click(desk: Desk, body: Body, value: str) -> Incident:
        incident = await desk.context.journal.load(value)
        await check_team(desk.context, incident, actor_of(body))
        return await execute.steer(
            desk.context, value, wish(actor_of(body)), request_id=request_id_of(body)
        )

    return click


async def _verify_again(desk: Desk, body: Body, value: str) -> Incident:
    incident = await desk.context.journal.load(value)
    await check_team(desk.context, incident, actor_of(body))
    return await conclude.request_verification(
        desk.context, value, actor=actor_of(body), request_id=request_id_of(body)
    )


async def _undo(desk: Desk, body: Body, value: str) -> Incident:
    incident = await desk.context.journal.load(value)
    await check_team(desk.context, incident, actor_of(body))
    return await execute.request_undo(
        desk.context, value, actor=actor_of(body), request_id=request_id_of(body)
    )


CLICKS: dict[str, Click] = {
    ids.ASSESS: _assess,
    ids.APPROVE: _approve,
    ids.OPEN_REJECT: _open_reject,
    ids.OPEN_REPLAN: _open_replan,
    ids.PAUSE: _steer(lambda actor: e.PauseRequested(by=actor)),
    ids.RESUME: _steer(lambda actor: e.ResumeRequested(by=actor)),
    ids.ABORT: _steer(lambda actor: e.AbortRequested(by=actor)),
    ids.VERIFY_AGAIN: _verify_again,
    ids.OPEN_WORDS: _open_words,
    ids.OPEN_RESOLVE: _open_resolve,
    ids.UNDO: _undo,
    ids.HOLD_EXTERNAL: hold,
    ids.FREE_EXTERNAL: free,
    ids.SEND_EXTERNAL: send,
    ids.OPEN_EDIT_EXTERNAL: open_edit,
    ids.DISCARD_EXTERNAL: discard,
    ids.OPEN_MOVE_MEETING: open_move,
    ids.ACTION_DONE: action_done,
}
