"""Finds our own messages and files again, after a call whose outcome is unknown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.communication.slack.client import call
from bot.core.errors import FeatureUnavailableError, OutcomeUnknownError, TemporaryError
from bot.store.delivery import Receipt

PAGES = 5
"""Pages of 100 messages that are searched: an unknown outcome is minutes old at most."""


async def find_message(client: AsyncWebClient, channel: str, delivery_id: str) -> Receipt | None:
    """The message that carries a delivery's id in its metadata."""
    async for message, channel_id in _messages(client, channel):
        payload = (message.get("metadata") or {}).get("event_payload") or {}
        if payload.get("id") == delivery_id:
            return Receipt(reference=str(message["ts"]), channel_id=channel_id)
    return None


async def find_file(client: AsyncWebClient, channel: str, name: str) -> Receipt | None:
    """The message that shares a file of this name."""
    async for message, channel_id in _messages(client, channel):
        for file in message.get("files") or []:
            if file.get("name") == name:
                return Receipt(reference=str(file.get("id", "")), channel_id=channel_id)
    return None


async def _messages(
    client: AsyncWebClient, channel: str
) -> AsyncIterator[tuple[dict[str, Any], str]]:
    """The newest messages of a channel, newest first, with the channel's id."""
    channel_id = await channel_id_of(client, channel)
    cursor = ""
    for _ in range(PAGES):
        arguments = {"cursor": cursor} if cursor else {}
        answer = await _read(
            client.conversations_history,
            subject=f"reading {channel}",
            channel=channel_id,
            include_all_metadata=True,
            limit=100,
            **arguments,
        )
        for message in answer.get("messages", []):
            yield message, channel_id
        cursor = _after(answer, cursor)
        if not cursor:
            return


async def channel_id_of(client: AsyncWebClient, channel: str) -> str:
    """A channel's id; ``channel`` may be the id itself or a name.

    Raises FeatureUnavailableError when channels cannot be listed or none has the name.
    """
    if channel[:1] in {"C", "G", "D"}:
        # Names are in lower case.
        return channel
    found = await find_channel(client, channel)
    if found is None:
        raise FeatureUnavailableError(
            f"There is no channel #{channel} that the bot can see.", "Correct rollback.yml."
        )
    return str(found["id"])


async def find_channel(client: AsyncWebClient, name: str) -> dict[str, Any] | None:
    """The public channel with this name, archived or not."""
    async for channel in public_channels(client):
        if channel.get("name") == name:
            return channel
    return None


async def public_channels(client: AsyncWebClient) -> AsyncIterator[dict[str, Any]]:
    """Every public channel, archived or not."""
    cursor = ""
    while True:
        arguments = {"cursor": cursor} if cursor else {}
        answer = await _read(
            client.conversations_list,
            subject="listing channels",
            types="public_channel",
            limit=1000,
            **arguments,
        )
        for channel in answer.get("channels", []):
            yield dict(channel)
        cursor = _after(answer, cursor)
        if not cursor:
            return


def _after(answer: dict[str, Any], cursor: str) -> str:
    """Where the next page begins; empty at the end, and where the page was the one before."""
    following = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
    return "" if following == cursor else following


async def _read(method: Any, *, subject: str, **arguments: Any) -> dict[str, Any]:
    try:
        return await call(method, subject=subject, **arguments)
    except OutcomeUnknownError as error:
        # Reading has no outcome: it may simply be repeated.
        raise TemporaryError(error.what) from error
