"""The Bolt app, put together so that nothing slow stands between Slack and a listener."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.error import BoltUnhandledRequestError
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.adapters.slack.client import call
from bot.domain.values import Value

log = structlog.get_logger()


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
