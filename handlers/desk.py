"""What all handlers share: the pipeline, Slack's views, and how answers reach a person."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import aiohttp
import structlog
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.communication import replies
from bot.communication.blocks import Message
from bot.communication.slack.chat import publisher
from bot.communication.slack.client import SlackRefusedError, call
from bot.core.backoff import Backoff, retried
from bot.core.clock import Clock
from bot.core.errors import DuplicateRequestError, RollbackBotError, TemporaryError
from bot.core.values import Actor
from bot.engine.context import Changes, Context
from bot.home.home import Homes
from bot.home.records import Records

# How something reaches a person after their request was acknowledged.

log = structlog.get_logger()

RESPONSE_SECONDS = 10
"""So long a response_url may take to answer."""
BACKOFF = Backoff(first=1.0, longest=4.0, longest_asked=10.0)
"""Whoever looks at a form that stays empty types the command again after ten seconds."""
ATTEMPTS = 4


async def whisper(
    client: AsyncWebClient, body: dict[str, Any], user_id: str, message: Message
) -> None:
    """Tell only the person who clicked; never raises, because it is told after the work.

    The response_url also works where the bot is not a member. Where there is none, or it has
    expired, the channel is used; and where the person is not in it, a direct message.
    """
    for way in (_by_response_url, _in_the_channel, _directly):
        try:
            if await way(client, body, user_id, message):
                return
        except (RollbackBotError, aiohttp.ClientError, OSError, ValueError) as error:
            log.info("a way to a person failed", user=user_id, error=str(error))
    log.warning("a person was not told", user=user_id, text=message.text)


async def show(client: AsyncWebClient, view_id: str, view: dict[str, Any], *, clock: Clock) -> None:
    """Put a view in the place of an open one, which the person may have closed meanwhile."""

    async def fill() -> None:
        await call(client.views_update, subject="filling the form", view_id=view_id, view=view)

    try:
        await retried(fill, BACKOFF, clock=clock, attempts=ATTEMPTS)
    except TemporaryError as error:
        log.warning("the form could not be filled", error=str(error))
    except RollbackBotError as error:
        # Closed: there is nobody to tell.
        log.info("the form could not be filled", error=str(error))


async def _by_response_url(
    _: AsyncWebClient, body: dict[str, Any], user_id: str, message: Message
) -> bool:
    url = body.get("response_url")
    if not url:
        return False
    answer = await AsyncWebhookClient(str(url), timeout=RESPONSE_SECONDS).send(
        text=message.text,
        blocks=list(message.blocks),
        response_type="ephemeral",
        replace_original=False,
    )
    if answer.status_code != 200:
        log.info("a response_url was refused", user=user_id, status=answer.status_code)
    return answer.status_code == 200


async def _in_the_channel(
    client: AsyncWebClient, body: dict[str, Any], user_id: str, message: Message
) -> bool:
    channel = (body.get("channel") or {}).get("id") or body.get("channel_id")
    if not channel:
        # The home tab is no channel.
        return False
    await call(
        client.chat_postEphemeral,
        subject=f"telling a person in {channel}",
        channel=str(channel),
        user=user_id,
        text=message.text,
        blocks=list(message.blocks),
    )
    return True


async def _directly(
    client: AsyncWebClient, _: dict[str, Any], user_id: str, message: Message
) -> bool:
    await call(
        client.chat_postMessage,
        subject="telling a person directly",
        channel=user_id,
        text=message.text,
        blocks=list(message.blocks),
    )
    return True


Ack = Callable[..., Awaitable[Any]]
Body = dict[str, Any]

ACK_SECONDS = 2.0
"""Slack waits three; the rest is for the way."""
OPENINGS = 16
"""Forms that are opened at the same moment. The others wait, so that in a rush of commands every
one is acknowledged before the last form is drawn; at Slack's pace the last still comes in time."""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The handlers' side of the pipeline."""

    context: Context
    changes: Changes
    client: AsyncWebClient
    records: Records = field(default_factory=Records)
    background: set[asyncio.Task[None]] = field(default_factory=set)
    openings: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(OPENINGS))

    @cached_property
    def homes(self) -> Homes:
        """The home tabs of this process."""
        return Homes(self.context, self.records, publisher(self.client))

    def later(self, work: Awaitable[None], *, subject: str) -> None:
        """Do something after the answer; its failure is logged."""

        async def guarded() -> None:
            try:
                await work
            except RollbackBotError as error:
                log.warning("work after an answer failed", subject=subject, error=str(error))
            except Exception:
                log.exception("work after an answer failed unexpectedly", subject=subject)

        task = asyncio.create_task(guarded(), name=subject)
        self.background.add(task)
        task.add_done_callback(self.background.discard)

    async def show(self, view_id: str, view: dict[str, Any]) -> None:
        """Put a view in the place of an open one; never raises."""
        await show(self.client, view_id, view, clock=self.context.clock)

    async def stop(self) -> None:
        """End what still runs after its answer."""
        for task in self.background:
            task.cancel()
        await asyncio.gather(*self.background, return_exceptions=True)


def actor_of(body: Body) -> Actor:
    """The person behind a payload; an id is enough, since not every sender knows names."""
    user = body.get("user") or {"id": body["user_id"], "name": body.get("user_name")}
    name = user.get("name") or user.get("username") or user["id"]
    return Actor(id=str(user["id"]), name=str(name))


def request_id_of(body: Body) -> str:
    """The identity of a click: Slack redelivers it unchanged, a second click differs."""
    action = body["actions"][0]
    moment = action.get("action_ts") or _unique(body)
    return f"click/{moment}/{body['user']['id']}/{action['action_id']}"


def command_id_of(body: Body) -> str:
    """The identity of a typed command: Slack redelivers it unchanged, typing it again differs."""
    return f"command/{_unique(body)}/{body['user_id']}"


def _unique(body: Body) -> str:
    """What tells this request from the next one of its kind."""
    known = body.get("trigger_id") or body.get("response_url")
    return str(known or uuid.uuid4().hex)


def submission_id_of(view: dict[str, Any]) -> str:
    """The identity of a submission: a view is submitted once with success."""
    return f"view/{view['id']}"


async def open_view(desk: Desk, body: Body, view: dict[str, Any]) -> dict[str, Any] | None:
    """Open a modal for the person who clicked or typed; None when it is open already.

    Raises TemporaryError that tells the person to try again when Slack does not open it.
    """
    again = "Nothing was done. Press the button, or type the command, again."
    trigger = str(body.get("trigger_id") or "")
    try:
        opened = await call(
            desk.client.views_open, subject="opening the form", trigger_id=trigger, view=view
        )
    except TemporaryError as error:
        raise TemporaryError(error.what, again) from error
    except SlackRefusedError as error:
        if error.code == "exchanged_trigger_id":
            # A redelivered request comes with a used trigger.
            log.info("the modal is open already", user=actor_of(body).id)
            return None
        raise TemporaryError(f"The form could not be opened ({error.code}).", again) from error
    return dict(opened.get("view") or {})


async def acknowledge_within(ack: Ack, work: Awaitable[None]) -> None:
    """Acknowledge when the work is recorded, or in time when it is slow.

    An acknowledgement means «recorded», so that what we lost in a crash is not acknowledged;
    but Slack must never show an error only because a user group took long to read.
    """
    task = asyncio.ensure_future(work)
    await asyncio.wait({task}, timeout=ACK_SECONDS)
    await ack()
    await task


async def reply_ephemeral(desk: Desk, body: Body, message: Message) -> None:
    """Tell only the person who clicked; never raises."""
    await whisper(desk.client, body, actor_of(body).id, message)


async def refused(desk: Desk, body: Body, error: RollbackBotError) -> None:
    """Explain to the person why nothing happened."""
    log.info("refused", user=actor_of(body).id, error=str(error))
    await reply_ephemeral(desk, body, replies.refusal(error))


async def attempt(desk: Desk, body: Body, work: Awaitable[object]) -> None:
    """Run one call into the pipeline; what it refuses is explained to the person."""
    try:
        await work
    except DuplicateRequestError:
        log.info("repeated request ignored", user=actor_of(body).id)
    except RollbackBotError as error:
        await refused(desk, body, error)
    except Exception as error:
        log.exception("a handler failed unexpectedly")
        what = f"Something unexpected went wrong ({type(error).__name__})."
        # It may have gone wrong behind what was recorded.
        remedy = "Look whether it was carried out, else try again; the bot's log has the details."
        await refused(desk, body, TemporaryError(what, remedy))


# The home tab.

EVENT = "app_home_opened"


def register(app: AsyncApp, desk: Desk) -> None:
    """Listen to people who open the tab; Bolt acknowledges events before the listener runs."""

    @app.event(EVENT)
    async def on_opened(event: dict[str, Any]) -> None:
        # The same event comes for the tab with the messages.
        if event.get("tab") != "home":
            return
        user_id = str(event["user"])
        desk.later(desk.homes.opened(user_id), subject=f"home of {user_id}")
