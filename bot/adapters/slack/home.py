"""Publishes home tabs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.adapters.slack.client import SlackRefusedError, call
from bot.errors import FeatureUnavailableError


def publisher(client: AsyncWebClient) -> Callable[[str, dict[str, Any]], Awaitable[None]]:
    """Shows a view on a person's home tab; the newest one holds.

    What it gives raises FeatureUnavailableError where the app has no home tab, and otherwise what
    ``call`` raises.
    """

    async def publish(user_id: str, view: dict[str, Any]) -> None:
        try:
            await call(
                client.views_publish, subject="showing the home tab", user_id=user_id, view=view
            )
        except SlackRefusedError as error:
            if error.code != "not_enabled":
                raise
            raise FeatureUnavailableError(
                "The app has no home tab.", "Switch it on as in manifest.yml."
            ) from error

    return publish
