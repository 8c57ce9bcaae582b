"""The slash command: ``/rollback [service | help | status | history]``."""

from __future__ import annotations

from typing import Any

import structlog
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError

from bot.domain.incident import Incident
from bot.errors import RollbackBotError
from bot.pipeline import assess
from bot.views import ids, modals, replies
from bot.views.message import Message
from handlers.desk import Ack, Body, Desk, actor_of

log = structlog.get_logger()

SHOWN_IN_HISTORY = 10


def register(app: AsyncApp, desk: Desk) -> None:
    """Listen to the command."""

    @app.command(ids.COMMAND)
    async def on_command(ack: Ack, body: Body) -> None:
        words = str(body.get("text") or "").split()
        word = words[0].lower() if words else ""
        services = desk.context.catalog.services
        if word in services:
            await ack()
            await open_assessment(desk, body, word, asked_in=str(body["channel_id"]))
            return
        answers = {"help": _help, "status": _status, "history": _history, "": _choose}
        answer = answers.get(word)
        if answer is None:
            await ack(**_ephemeral(replies.unknown_service(words[0], sorted(services))))
            return
        await ack(**_ephemeral(await answer(desk)))


async def open_assessment(desk: Desk, body: Body, service: str, *, asked_in: str) -> None:
    """Open the modal at once, whatever else is slow, and then fill it."""
    draft_id = assess.new_draft_id()
    try:
        opened = await desk.client.views_open(
            trigger_id=str(body["trigger_id"]),
            view=modals.assessment_loading(service, draft_id=draft_id),
        )
    except SlackApiError as error:
        # A redelivered command comes with a trigger that was used: the modal is open already.
        log.warning("the modal could not be opened", error=str(error.response.get("error")))
        return
    view: dict[str, Any] = opened["view"]
    work = _fill(desk, body, service, draft_id=draft_id, view_id=view["id"], asked_in=asked_in)
    desk.later(work, subject=f"fill assessment {draft_id}")


async def _fill(
    desk: Desk, body: Body, service: str, *, draft_id: str, view_id: str, asked_in: str
) -> None:
    actor = actor_of(body)
    try:
        draft = await assess.begin(
            desk.context, draft_id=draft_id, service=service, actor=actor, asked_in=asked_in
        )
        view = modals.assessment_form(draft)
    except RollbackBotError as error:
        view = modals.message_view("Not possible now", f"{error.what}\n\n{error.remedy}")
    try:
        await desk.client.views_update(view_id=view_id, view=view)
    except SlackApiError as error:
        # The person closed the modal meanwhile; there is nobody to tell.
        log.info("the modal could not be filled", error=str(error.response.get("error")))


async def _help(desk: Desk) -> Message:
    return replies.help_reply()


async def _choose(desk: Desk) -> Message:
    return replies.choose_service(sorted(desk.context.catalog.services))


async def _status(desk: Desk) -> Message:
    return replies.status_reply(await _incidents(desk, open_only=True), desk.context.clock.now())


async def _history(desk: Desk) -> Message:
    return replies.history_reply(await _incidents(desk, open_only=False), desk.context.clock.now())


async def _incidents(desk: Desk, *, open_only: bool) -> list[Incident]:
    heads = await desk.context.store.incidents(open_only=open_only, limit=SHOWN_IN_HISTORY)
    return [await desk.context.journal.load(head.id) for head in heads]


def _ephemeral(message: Message) -> dict[str, Any]:
    return {**message.payload(), "response_type": "ephemeral"}
