"""What the tests of the Slack stand-in share: a manifest, a clock, an app on each transport."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.slack.server import SlackServer

Json = dict[str, Any]
TransportName = Literal["socket", "http"]

SCOPES = [
    "app_mentions:read",
    "bookmarks:read",
    "bookmarks:write",
    "canvases:write",
    "channels:history",
    "channels:join",
    "channels:manage",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "groups:read",
    "groups:write",
    "im:write",
    "pins:read",
    "pins:write",
    "reactions:write",
    "team:read",
    "usergroups:read",
    "users:read",
    "users:read.email",
]
EVENTS = ["app_home_opened", "app_mention", "member_joined_channel", "message.channels"]


def manifest(*, without: tuple[str, ...] = (), events: list[str] | None = None) -> Json:
    """An app with everything that the stand-in serves, less some scopes."""
    return {
        "display_information": {"name": "Rollback"},
        "features": {
            "bot_user": {"display_name": "Rollback"},
            "app_home": {"home_tab_enabled": True},
            "slash_commands": [{"command": "/rollback", "description": "Roll back"}],
            "shortcuts": [
                {
                    "name": "Note",
                    "type": "message",
                    "callback_id": "note",
                    "description": "Note it",
                }
            ],
        },
        "oauth_config": {"scopes": {"bot": [s for s in SCOPES if s not in without]}},
        "settings": {
            "socket_mode_enabled": True,
            "interactivity": {"is_enabled": True},
            "event_subscriptions": {"bot_events": EVENTS if events is None else events},
        },
    }


class Clock:
    """Time that moves only when told."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@asynccontextmanager
async def slack(**options: Any) -> AsyncIterator[SlackServer]:
    """A running stand-in."""
    server = SlackServer(**{"manifest": manifest(events=[]), **options})
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def client(server: SlackServer, token: str | None = None) -> AsyncWebClient:
    """The unmodified client, with no retries of its own."""
    return AsyncWebClient(
        token=token or server.bot_token, base_url=server.url, retry_handlers=[], timeout=5
    )


def bolt(server: SlackServer) -> AsyncApp:
    """An unmodified Bolt app that talks to the stand-in."""
    return AsyncApp(client=client(server), signing_secret=server.signing_secret)


@asynccontextmanager
async def serving(server: SlackServer, app: AsyncApp, over: TransportName) -> AsyncIterator[None]:
    """The app, reachable over Socket Mode or signed HTTP."""
    if over == "socket":
        handler = AsyncSocketModeHandler(
            app, server.app_token, web_client=client(server, server.app_token), ping_interval=0.05
        )
        await handler.connect_async()  # type: ignore[no-untyped-call]  # Bolt left it untyped
        await server.wait_until_connected()
        try:
            yield
        finally:
            await handler.close_async()  # type: ignore[no-untyped-call]  # Bolt left it untyped
        return
    runner = web.AppRunner(app.server(path="/slack/events").web_app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.request_url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    try:
        yield
    finally:
        await runner.cleanup()


async def refusal(call: Any) -> tuple[str, list[str]]:
    """The error code and messages of a call that Slack refuses."""
    try:
        answer = await call
    except SlackApiError as error:
        metadata = error.response.get("response_metadata") or {}
        return str(error.response["error"]), list(metadata.get("messages", []))
    raise AssertionError(f"Slack took it: {answer.data}")


def plain(text: str) -> Json:
    """A plain_text object."""
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> Json:
    """A mrkdwn object."""
    return {"type": "mrkdwn", "text": text}


def button(action_id: str = "go", text: str = "Go", **more: Any) -> Json:
    """A button."""
    return {"type": "button", "action_id": action_id, "text": plain(text), **more}


def actions(*elements: Json, **more: Any) -> Json:
    """An actions block."""
    return {"type": "actions", "elements": list(elements), **more}


def asks(block_id: str, element: Json | None = None, **more: Any) -> Json:
    """An input block with a text input, or another element, called `<block_id>_value`."""
    held = {"type": "plain_text_input"} if element is None else copy.deepcopy(element)
    held.setdefault("action_id", f"{block_id}_value")
    return {
        "type": "input",
        "block_id": block_id,
        "label": plain(block_id.title()),
        "element": held,
        **more,
    }


def modal(*blocks: Json, **more: Any) -> Json:
    """A modal with a submit button."""
    view = {"type": "modal", "title": plain("Title"), "submit": plain("Send")}
    return {**view, "blocks": list(blocks), **more}
