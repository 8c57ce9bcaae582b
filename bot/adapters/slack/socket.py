"""Receives from Slack over Socket Mode."""

from __future__ import annotations

import asyncio

import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError

from bot.adapters.slack.client import make_client, translated
from bot.errors import PermanentError

log = structlog.get_logger()

WATCH_SECONDS = 15.0
"""How often the watchdog looks: Slack closes a silent connection much later."""


class SocketReceiver:
    """Keeps one Socket Mode connection up."""

    def __init__(self, app: AsyncApp, *, app_token: str, api_url: str) -> None:
        # Without a client of its own the handler would ignore the API address.
        client = make_client(app_token, api_url)
        self._handler = AsyncSocketModeHandler(app, app_token, web_client=client)
        self._watchdog: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect; raises PermanentError when the app token is refused."""
        try:
            await self._handler.connect_async()  # type: ignore[no-untyped-call]  # Bolt's stub
        except SlackApiError as error:
            problem = translated(error, "opening a Socket Mode connection")
            if isinstance(problem, PermanentError):
                remedy = "Check SLACK_APP_TOKEN (xapp-…, scope connections:write)."
                raise PermanentError(problem.what, remedy) from error
            raise problem from error
        self._watchdog = asyncio.create_task(self._watch(), name="socket watchdog")

    async def is_ready(self) -> bool:
        """Whether the connection stands now."""
        return bool(await self._handler.client.is_connected())

    async def stop(self) -> None:
        """Disconnect."""
        if self._watchdog:
            self._watchdog.cancel()
            await asyncio.gather(self._watchdog, return_exceptions=True)
        await self._handler.close_async()  # type: ignore[no-untyped-call]  # Bolt's stub

    async def _watch(self) -> None:
        """Reconnect when the client lost its connection without noticing."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if await self.is_ready():
                continue
            log.warning("Socket Mode is down; connecting anew")
            try:
                await self._handler.client.connect_to_new_endpoint()
            except Exception:
                log.exception("Socket Mode could not be connected; trying again")
