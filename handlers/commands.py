"""The slash command: ``/rollback [service | help | status | history …]``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from slack_bolt.async_app import AsyncApp

from bot.assessment import assess, modals
from bot.communication import ids
from bot.communication import modals as modals_
from bot.communication import replies as replies_
from bot.communication.blocks import Message
from bot.core.errors import RefusedError, RollbackBotError, TemporaryError
from bot.freeze.cards import unfrozen_reply
from bot.freeze.freeze import lift
from bot.home import replies
from bot.incident.assessment import Draft
from bot.incident.state import Incident
from handlers.desk import (
    ACK_SECONDS,
    Ack,
    Body,
    Desk,
    actor_of,
    attempt,
    command_id_of,
    open_view,
    reply_ephemeral,
)

# ``/rollback unfreeze SERVICE``.


async def unfreeze(desk: Desk, body: Body, words: list[str]) -> Message:
    """Lift a service's deploy freeze, by somebody of the incident's team or an approver."""
    if len(words) != 1:
        raise RefusedError(
            "It is not clear which service is meant.", f"Type `{ids.COMMAND} unfreeze SERVICE`."
        )
    lifted = await lift(
        desk.context,
        words[0],
        actor=actor_of(body),
        request_id=command_id_of(body),
    )
    return unfrozen_reply(lifted)


log = structlog.get_logger()

SHOWN_IN_HISTORY = 10

Answer = Callable[[Desk, Body, list[str]], Awaitable[Message]]
"""Carries out a subcommand; the list has the words behind it.

A RollbackBotError is explained to the person; ``command_id_of`` is the request's identity.
"""


@dataclass(frozen=True, kw_only=True)
class Subcommand:
    """One word that can follow the command."""

    answer: Answer
    usage: str
    """How it is typed, behind the command."""
    what: str
    """What it does, in a clause for the help text."""


def register(app: AsyncApp, desk: Desk) -> None:
    """Listen to the command."""

    @app.command(ids.COMMAND)
    async def on_command(ack: Ack, body: Body) -> None:
        words = str(body.get("text") or "").split()
        word = words[0].lower() if words else ""
        services = desk.context.catalog.services
        if word in services:
            await ack()
            async with desk.openings:
                asked_in = str(body.get("channel_id") or actor_of(body).id)
                opening = open_assessment(desk, body, word, asked_in=asked_in)
                await attempt(desk, body, opening)
            return
        if not words:
            await ack(**_ephemeral(replies.choose_service(sorted(services))))
            return
        subcommand = SUBCOMMANDS.get(word)
        if subcommand is None:
            await ack(**_ephemeral(replies.unknown_service(words[0], sorted(services))))
            return
        await _answer_in_time(ack, desk, body, subcommand.answer(desk, body, words[1:]))


async def _answer_in_time(ack: Ack, desk: Desk, body: Body, answer: Awaitable[Message]) -> None:
    """Answer with the acknowledgement, or after it when the answer takes long.

    Slack shows an error after three seconds, however slow the store is.
    """
    task = asyncio.ensure_future(_answered(answer))
    done, _ = await asyncio.wait({task}, timeout=ACK_SECONDS)
    if done:
        await ack(**_ephemeral(task.result()))
        return
    await ack()
    await reply_ephemeral(desk, body, await task)


async def _answered(answer: Awaitable[Message]) -> Message:
    """The answer, or why there is none."""
    try:
        return await answer
    except RollbackBotError as error:
        log.info("refused", error=str(error))
        return replies_.refusal(error)
    except Exception as error:
        log.exception("a command failed unexpectedly")
        what = f"Something unexpected went wrong ({type(error).__name__})."
        return replies_.refusal(
            TemporaryError(what, "Try again; the bot's log has the details if it stays.")
        )


async def open_assessment(
    desk: Desk, body: Body, service: str, *, asked_in: str, prefill_id: str = ""
) -> None:
    """Open the modal at once, whatever else is slow, and then fill it. Raises as ``open_view``.

    ``prefill_id`` names what is known already, as kept by ``assess.keep_prefill``.
    """
    draft_id = assess.new_draft_id()
    view = await open_view(desk, body, modals.assessment_loading(service, draft_id=draft_id))
    if view is None:
        return
    if not view.get("id"):
        raise TemporaryError("Slack did not say which form it opened.", "Type the command again.")
    begun = assess.begin(
        desk.context,
        draft_id=draft_id,
        service=service,
        actor=actor_of(body),
        asked_in=asked_in,
        prefill_id=prefill_id,
    )
    desk.later(_fill(desk, begun, view_id=view["id"]), subject=f"fill assessment {draft_id}")


async def _fill(desk: Desk, begun: Awaitable[Draft], *, view_id: str) -> None:
    async with desk.openings:
        # Only its turn, behind everybody whose form is not open yet: Slack does not wait for them.
        pass
    try:
        view = modals.assessment_form(await begun)
    except RollbackBotError as error:
        view = modals_.message_view("Not possible now", f"{error.what}\n\n{error.remedy}")
    await desk.show(view_id, view)


async def _help(desk: Desk, body: Body, words: list[str]) -> Message:
    return replies.help_reply([(known.usage, known.what) for known in SUBCOMMANDS.values()])


async def _status(desk: Desk, body: Body, words: list[str]) -> Message:
    return replies.status_reply(await _incidents(desk, open_only=True), desk.context.clock.now())


async def _history(desk: Desk, body: Body, words: list[str]) -> Message:
    context, service = desk.context, words[0].lower() if words else None
    if service is not None and service not in context.catalog.services:
        return replies.unknown_service(words[0], sorted(context.catalog.services))
    found = await desk.records.statistics(context, service=service)
    heads = await context.store.incidents(service=service, limit=SHOWN_IN_HISTORY)
    return replies.history_reply(
        [await context.journal.load(head.id) for head in heads],
        context.clock.now(),
        outcomes={head.id: await desk.records.outcome(context, head) for head in heads},
        statistics=found,
    )


async def _incidents(desk: Desk, *, open_only: bool) -> list[Incident]:
    heads = await desk.context.store.incidents(open_only=open_only, limit=SHOWN_IN_HISTORY)
    return [await desk.context.journal.load(head.id) for head in heads]


def _ephemeral(message: Message) -> dict[str, Any]:
    return {**message.payload(), "response_type": "ephemeral"}


SUBCOMMANDS: dict[str, Subcommand] = {
    "status": Subcommand(answer=_status, usage="status", what="open incidents"),
    "history": Subcommand(
        answer=_history,
        usage="history [SERVICE]",
        what="incidents of the past, how fast services recover and how often releases fail",
    ),
    "unfreeze": Subcommand(
        answer=unfreeze, usage="unfreeze SERVICE", what="let deploys go on after a rollback"
    ),
    "help": Subcommand(answer=_help, usage="help", what="this text"),
}
"""By the word itself; the help text lists them in this order. A service's name comes first."""
