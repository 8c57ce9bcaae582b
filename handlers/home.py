"""The home tab."""

from __future__ import annotations

from typing import Any

from slack_bolt.async_app import AsyncApp

from handlers.desk import Desk

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
