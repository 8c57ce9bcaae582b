"""How something reaches a person after their request was acknowledged."""

from __future__ import annotations

from typing import Any

import aiohttp
import structlog
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.adapters.slack.client import call
from bot.backoff import Backoff, retried
from bot.errors import RollbackBotError, TemporaryError
from bot.ports.clock import Clock
from bot.views.message import Message

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
