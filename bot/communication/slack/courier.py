"""Carries deliveries to Slack, and finds those whose outcome is unknown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.communication.slack.client import NOTHING_TO_DO, SlackRefusedError, call
from bot.communication.slack.history import find_file, find_message
from bot.core.errors import FeatureUnavailableError, PermanentError
from bot.store.delivery import Action, Delivery, Receipt
from bot.store.values import Attachment

# The channel's canvas: https://docs.slack.dev/reference/methods/conversations.canvases.create

_THERE_IS_ONE = {"channel_canvas_already_exists", "free_team_canvas_tab_already_exists"}


async def create_canvas(client: AsyncWebClient, channel: str, title: str, markdown: str) -> Receipt:
    """Make the canvas of a channel. A canvas that is there already is people's, and stays.

    Raises what ``call`` raises; PermanentError when the channel has a canvas, also when an earlier
    call whose answer was lost has made it.
    """
    try:
        answer = await call(
            client.conversations_canvases_create,
            subject=f"making the canvas of {channel}",
            channel_id=channel,
            title=title,
            document_content={"type": "markdown", "markdown": markdown},
        )
    except SlackRefusedError as error:
        if error.code not in _THERE_IS_ONE:
            raise
        raise PermanentError(
            f"The channel has a canvas already, which is left as it is ({error.code}).",
            f"If it is not “{title}”, read the report in the uploaded files.",
        ) from error
    return Receipt(reference=str(answer.get("canvas_id", "")), channel_id=channel)


# Invites people so that one who cannot be invited does not keep the others out.

BATCH = 100
"""Most users that one call of conversations.invite takes."""
_FINE = {"already_in_channel", "cant_invite_self"}


async def invite(client: AsyncWebClient, channel: str, people: Sequence[str]) -> Receipt:
    """Invite everybody; the receipt's note names those who could not be.

    Raises TemporaryError and FeatureUnavailableError as they come, because they concern all.
    """
    problems: list[str] = []
    for start in range(0, len(people), BATCH):
        batch = people[start : start + BATCH]
        try:
            await _invite(client, channel, batch)
        except SlackRefusedError:
            # One bad id fails the whole call: find out which by asking one by one.
            problems += await _one_by_one(client, channel, batch)
    return Receipt(reference="invited", channel_id=channel, note=" ".join(problems))


async def _one_by_one(client: AsyncWebClient, channel: str, people: Sequence[str]) -> list[str]:
    problems = []
    for person in people:
        try:
            await _invite(client, channel, [person])
        except SlackRefusedError as error:
            if error.code not in _FINE:
                problems.append(f"{person} could not be invited ({error.code}); invite by hand.")
    return problems


async def _invite(client: AsyncWebClient, channel: str, people: Sequence[str]) -> None:
    await call(
        client.conversations_invite,
        subject=f"inviting to {channel}",
        channel=channel,
        users=",".join(people),
    )


# Files in a channel: https://docs.slack.dev/messaging/working-with-files


async def upload(
    client: AsyncWebClient, channel: str, delivery: Delivery, files: Sequence[Attachment]
) -> Receipt:
    """Share an incident's files in one message; pictures are described to who cannot see them.

    Raises what ``call`` raises; FeatureUnavailableError says where the files are to be had.
    """
    uploads = [
        {"content": file.content, "filename": file.name, "title": file.name}
        | ({"alt_txt": str(delivery.payload["alt_text"])} if _is_image(file) else {})
        for file in files
    ]
    try:
        answer = await call(
            client.files_upload_v2,
            subject=f"uploading to {channel}",
            channel=channel,
            initial_comment=str(delivery.payload.get("comment", "")) or None,
            file_uploads=uploads,
        )
    except FeatureUnavailableError as error:
        remedy = f"“rollback-bot report {delivery.incident_id}” writes the files to a folder."
        if error.remedy not in {"", NOTHING_TO_DO}:
            remedy = f"{error.remedy} Until then {remedy}"
        raise FeatureUnavailableError(error.what, remedy) from error
    shared = answer.get("files") or [{}]
    return Receipt(reference=str(shared[0].get("id", "")), channel_id=channel)


def _is_image(file: Attachment) -> bool:
    return file.media_type.startswith("image/")


METADATA_TYPE = "rollback_bot_delivery"

Load = Callable[[str, str], Awaitable[Attachment | None]]
"""Reads an attachment by incident id and name."""


class SlackCourier:
    """One method an action."""

    def __init__(self, client: AsyncWebClient, *, load: Load) -> None:
        self._client = client
        self._load = load

    async def send(self, delivery: Delivery, previous: Receipt | None) -> Receipt:
        """Deliver; see ``bot.store.delivery.Courier``."""
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
                return await self._set_up(delivery, channel, previous)

    async def _set_up(self, delivery: Delivery, channel: str, previous: Receipt | None) -> Receipt:
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
