"""The bot's connection to its workspace: who it is, and how requests come in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.adapters.slack.app import Identity, identify, make_app
from bot.adapters.slack.socket import SocketReceiver
from bot.backoff import Backoff
from bot.errors import TemporaryError

log = structlog.get_logger()

BACKOFF = Backoff(first=1.0, longest=30.0)


class SlackLink:
    """Connects at start-up, or as soon as Slack answers.

    Rollbacks that are under way go on meanwhile: a dead Slack must not stop them.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        *,
        api_url: str,
        app_token: str | None,
        signing_secret: str | None,
    ) -> None:
        self._client = client
        self._identity: asyncio.Future[Identity] = asyncio.get_running_loop().create_future()
        self.app: AsyncApp = make_app(client, self.identity, signing_secret=signing_secret)
        self._receiver = (
            SocketReceiver(self.app, app_token=app_token, api_url=api_url) if app_token else None
        )
        self._connecting: asyncio.Task[None] | None = None
        self._connected = False

    async def identity(self) -> Identity:
        """Who the bot is; waits until Slack has said so once."""
        return await asyncio.shield(self._identity)

    async def start(self, on_failure: Callable[[Exception], None]) -> None:
        """Connect, or go on trying in the background while Slack does not answer.

        Raises PermanentError when Slack refuses the tokens now; ``on_failure`` hears of it when
        that is found out later.
        """
        try:
            await self._connect()
        except TemporaryError as error:
            log.warning("Slack does not answer; connecting later", error=str(error))
            self._connecting = asyncio.create_task(self._keep_trying(on_failure))

    async def problems(self) -> list[str]:
        """Why requests from Slack cannot be served now; empty when they can."""
        if not self._connected:
            return ["Slack has not answered yet."]
        if self._receiver and not await self._receiver.is_ready():
            return ["The Socket Mode connection is down; it is being made anew."]
        return []

    async def stop(self) -> None:
        """Take no more requests."""
        if self._connecting:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        if self._receiver:
            await self._receiver.stop()
        if not self._identity.done():
            self._identity.cancel()

    async def _connect(self) -> None:
        if not self._identity.done():
            self._identity.set_result(await identify(self._client))
        if self._receiver:
            await self._receiver.start()
        self._connected = True
        log.info("connected to Slack", team=self._identity.result().team_id)

    async def _keep_trying(self, on_failure: Callable[[Exception], None]) -> None:
        pauses = BACKOFF.pauses()
        while not self._connected:
            await asyncio.sleep(next(pauses))
            try:
                await self._connect()
            except TemporaryError as error:
                log.warning("Slack still does not answer", error=str(error))
            except Exception as error:
                on_failure(error)
                return
