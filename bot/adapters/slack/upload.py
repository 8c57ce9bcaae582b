"""Files in a channel: https://docs.slack.dev/messaging/working-with-files"""

from __future__ import annotations

from collections.abc import Sequence

from slack_sdk.web.async_client import AsyncWebClient

from bot.adapters.slack.client import NOTHING_TO_DO, call
from bot.errors import FeatureUnavailableError
from bot.ports.deliveries import Delivery, Receipt
from bot.ports.store import Attachment


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
