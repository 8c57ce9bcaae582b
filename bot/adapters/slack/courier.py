"""Carries deliveries to Slack, and finds those whose outcome is unknown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.adapters.slack.canvas import create_canvas
from bot.adapters.slack.client import SlackRefusedError, call
from bot.adapters.slack.history import find_file, find_message
from bot.adapters.slack.invite import invite
from bot.adapters.slack.upload import upload
from bot.errors import PermanentError
from bot.ports.deliveries import Action, Delivery, Receipt
from bot.ports.store import Attachment

METADATA_TYPE = "rollback_bot_delivery"

Load = Callable[[str, str], Awaitable[Attachment | None]]
"""Reads an attachment by incident id and name."""


class SlackCourier:
    """One method an action."""

    def __init__(self, client: AsyncWebClient, *, load: Load) -> None:
        self._client = client
        self._load = load

    async def send(self, delivery: Delivery, previous: Receipt | None) -> Receipt:
        """Deliver; see ``bot.ports.deliveries.Courier``."""
        channel = delivery.destination.partition(":")[2]
        match delivery.action:
            case Action.POST:
                return await self._post(delivery, channel)
            case Action.CARD:
                return await self._card(delivery, channel, previous)
            case Action.NOTICE:
                return await self._notice(delivery, channel)
            case Action.UPLOAD:
                return await self._upload(delivery, channel)
            case _:
                return await self._furnish(delivery, channel, previous)

    async def _furnish(self, delivery: Delivery, channel: str, previous: Receipt | None) -> Receipt:
        """What belongs to a channel rather than to its conversation."""
        match delivery.action:
            case Action.INVITE:
                people = [str(person) for person in _list(delivery, "people")]
                return await invite(self._client, channel, people)
            case Action.TOPIC:
                return await self._topic(delivery, channel)
            case Action.PIN:
                return await self._pin(previous)
            case Action.BOOKMARK:
                return await self._bookmark(delivery, channel)
            case Action.CANVAS:
                file = await self._file(delivery, str(delivery.payload["file"]))
                title = str(delivery.payload["title"])
                return await create_canvas(self._client, channel, title, file.content.decode())
            case _:
                raise PermanentError(f"Slack has nothing for “{delivery.action}”.")

    async def find(self, delivery: Delivery) -> Receipt | None:
        """Look for our own id where the message should be.

        Direct messages cannot be read without two more scopes; there a doubled message is
        better than a lost one. Topic, pin, invitation, canvas (a channel has one) and card updates
        may simply be repeated. A bookmark cannot be looked for and is not repeated.
        """
        channel = delivery.destination.partition(":")[2]
        if channel.startswith(("U", "W")):
            return None
        if delivery.action in {Action.POST, Action.CARD}:
            return await find_message(self._client, channel, delivery.id)
        if delivery.action is Action.UPLOAD:
            names = [str(name) for name in _list(delivery, "files")]
            return await find_file(self._client, channel, names[0])
        if delivery.action is Action.BOOKMARK:
            note = "Slack did not say whether the link to the service was added."
            return Receipt(reference="", channel_id=channel, note=note)
        return None

    async def _post(self, delivery: Delivery, channel: str) -> Receipt:
        answer = await call(
            self._client.chat_postMessage,
            subject=f"posting to {channel}",
            channel=channel,
            unfurl_links=False,
            **_content(delivery),
        )
        ts = answer.get("ts") or (answer.get("message") or {}).get("ts") or ""
        # Some answer without the channel; it is the one that was named.
        return Receipt(reference=str(ts), channel_id=str(answer.get("channel") or channel))

    async def _card(self, delivery: Delivery, channel: str, previous: Receipt | None) -> Receipt:
        if previous is None:
            return await self._post(delivery, channel)
        try:
            await call(
                self._client.chat_update,
                subject=f"updating a card in {channel}",
                channel=previous.channel_id,
                ts=previous.reference,
                **_content(delivery),
            )
        except SlackRefusedError as error:
            if error.code not in {"message_not_found", "cant_update_message"}:
                raise
            # Somebody deleted the card; people still need it.
            return await self._post(delivery, channel)
        return previous

    async def _notice(self, delivery: Delivery, channel: str) -> Receipt:
        content = _content(delivery)
        content.pop("metadata")
        answer = await call(
            self._client.chat_postEphemeral,
            subject=f"telling a person in {channel}",
            channel=channel,
            user=str(delivery.payload["user"]),
            **content,
        )
        return Receipt(reference=str(answer.get("message_ts", "")), channel_id=channel)

    async def _upload(self, delivery: Delivery, channel: str) -> Receipt:
        files = [await self._file(delivery, str(name)) for name in _list(delivery, "files")]
        return await upload(self._client, channel, delivery, files)

    async def _file(self, delivery: Delivery, name: str) -> Attachment:
        attachment = await self._load(delivery.incident_id, name)
        if attachment is None or not attachment.content:
            raise PermanentError(f"There is no file {name} to upload.", "See the bot's log.")
        return attachment

    async def _topic(self, delivery: Delivery, channel: str) -> Receipt:
        topic = str(delivery.payload["topic"])[:250]
        await call(
            self._client.conversations_setTopic,
            subject=f"setting the topic of {channel}",
            channel=channel,
            topic=topic,
        )
        return Receipt(reference="topic", channel_id=channel)

    async def _pin(self, card: Receipt | None) -> Receipt:
        if card is None:
            raise PermanentError("There is no card to pin.")
        try:
            await call(
                self._client.pins_add,
                subject="pinning the status card",
                channel=card.channel_id,
                timestamp=card.reference,
            )
        except SlackRefusedError as error:
            if error.code != "already_pinned":
                raise
        return Receipt(reference=card.reference, channel_id=card.channel_id)

    async def _bookmark(self, delivery: Delivery, channel: str) -> Receipt:
        answer = await call(
            self._client.bookmarks_add,
            subject="adding a bookmark",
            channel_id=channel,
            title=str(delivery.payload["title"]),
            type="link",
            link=str(delivery.payload["link"]),
        )
        return Receipt(reference=str(answer.get("bookmark", {}).get("id", "")), channel_id=channel)


def _content(delivery: Delivery) -> dict[str, Any]:
    """Text, blocks, and our id as metadata: an id only, because every member can read it."""
    return {
        "text": delivery.payload["text"],
        "blocks": delivery.payload["blocks"],
        "metadata": {"event_type": METADATA_TYPE, "event_payload": {"id": delivery.id}},
    }


def _list(delivery: Delivery, key: str) -> list[Any]:
    value = delivery.payload.get(key)
    return value if isinstance(value, list) else []
