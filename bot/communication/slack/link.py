"""The bot's connection to its workspace: who it is, and how requests come in."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.error import BoltUnhandledRequestError
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.communication.slack.client import call, make_client, translated
from bot.core.backoff import Backoff
from bot.core.errors import PermanentError, TemporaryError
from bot.core.values import Value

# Receives from Slack over Socket Mode.

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


# The Bolt app, put together so that nothing slow stands between Slack and a listener.


class Identity(Value):
    """Who the bot is in its workspace."""

    bot_id: str
    bot_user_id: str
    """Empty where Slack did not say: no channel is then taken for one of the bot's own."""
    team_id: str


async def identify(client: AsyncWebClient) -> Identity:
    """Ask Slack who the token belongs to.

    Raises PermanentError for a wrong token, TemporaryError when Slack does not answer.
    """
    answer = await call(client.auth_test, subject="checking SLACK_BOT_TOKEN")
    return Identity(
        bot_id=str(answer.get("bot_id") or ""),
        bot_user_id=str(answer.get("user_id") or ""),
        team_id=str(answer.get("team_id") or ""),
    )


def make_app(
    client: AsyncWebClient,
    identity: Callable[[], Awaitable[Identity]],
    *,
    signing_secret: str | None,
) -> AsyncApp:
    """A Bolt app for one workspace.

    Authorization is answered from memory: Bolt's own asks Slack first, and a slow answer would
    use up the three seconds in which a modal can be opened.
    """

    async def authorize(**_: Any) -> AuthorizeResult:
        known = await identity()
        return AuthorizeResult(
            enterprise_id=None,
            team_id=known.team_id,
            bot_id=known.bot_id,
            bot_user_id=known.bot_user_id,
            bot_token=client.token,
        )

    # With a token of its own Bolt says at every start that the token is ignored, which would
    # frighten whoever reads the log; each request gets the token from its authorization.
    tokenless = copy.copy(client)
    tokenless.token = None
    app = AsyncApp(
        client=tokenless,
        authorize=authorize,
        signing_secret=signing_secret,
        request_verification_enabled=signing_secret is not None,
        raise_error_for_unhandled_request=True,
    )
    app.error(_failed)
    return app


async def _failed(error: Exception, body: dict[str, Any]) -> BoltResponse | None:
    """What Slack is answered when no listener takes a request, or one fails.

    An event that nobody listens to is taken and forgotten: it comes again after any other answer,
    and Slack stops sending events to an app that refuses too many of them
    (https://docs.slack.dev/apis/events-api/). A button or a form that is none any more is refused,
    so that the person sees that nothing happened.
    """
    if not isinstance(error, BoltUnhandledRequestError):
        log.error("a request of Slack's failed unexpectedly", exc_info=error)
        return None
    kind = str(body.get("type") or body.get("command") or "")
    what = (body.get("event") or {}).get("type")
    log.info("nobody listens to this request of Slack's", kind=kind, event_type=what)
    return BoltResponse(status=200 if kind == "event_callback" else 404)


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
