"""The channel's canvas: https://docs.slack.dev/reference/methods/conversations.canvases.create"""

from __future__ import annotations

from slack_sdk.web.async_client import AsyncWebClient

from bot.adapters.slack.client import SlackRefusedError, call
from bot.errors import PermanentError
from bot.ports.deliveries import Receipt

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
