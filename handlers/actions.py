"""Buttons."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from slack_bolt.async_app import AsyncApp

from bot.domain import events as e
from bot.domain.incident import Incident
from bot.domain.values import Actor
from bot.pipeline import approve, conclude, execute, several, undo
from bot.pipeline.frames import stakeholder_channels
from bot.pipeline.team import check_team
from bot.views import ids, modals
from handlers import external, follow_up
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
)

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
    parts = several.parts_of(desk.context, incident)
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
    return await undo.request_undo(
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
    ids.HOLD_EXTERNAL: external.hold,
    ids.FREE_EXTERNAL: external.free,
    ids.SEND_EXTERNAL: external.send,
    ids.OPEN_EDIT_EXTERNAL: external.open_edit,
    ids.DISCARD_EXTERNAL: external.discard,
    ids.OPEN_MOVE_MEETING: follow_up.open_move,
    ids.ACTION_DONE: follow_up.action_done,
}
