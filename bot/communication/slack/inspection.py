"""Look whether Slack takes the tokens, and what they may do."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.catalog.settings import Settings
from bot.communication.slack.chat import SlackChat
from bot.communication.slack.client import call, make_client
from bot.communication.slack.history import public_channels
from bot.core.clock import SystemClock
from bot.core.errors import (
    ConfigurationError,
    FeatureUnavailableError,
    PermanentError,
    RollbackBotError,
)
from bot.core.findings import Finding, failed, passed, warned

# The scopes that manifest.yml asks for, and what is missing without each optional one.

REQUIRED = frozenset(
    {
        "commands",
        "chat:write",
        "channels:manage",
        "channels:read",
        "channels:history",
        "users:read",
    }
)
OPTIONAL = {
    "users:read.email": "people named by e-mail address are not found",
    "usergroups:read": "people named by user group are not found",
    "files:write": "the report is not uploaded",
    "pins:write": "the status card is not pinned",
    "bookmarks:write": "the channel has no link to the service",
    "canvases:write": "the report does not become a canvas",
}


_TOKEN, _SCOPES, _TRANSPORT = "Slack token", "Slack scopes", "Slack requests"
_CHANNELS, _PEOPLE = "Slack channels", "Slack people"


async def inspect_slack(settings: Settings) -> list[Finding]:
    """The bot token, its scopes, and the way in which Slack's requests come."""
    found = []
    if settings.slack_bot_token is None:
        missing = ConfigurationError(
            "SLACK_BOT_TOKEN is not set.", "Only plan, run and the like work without Slack."
        )
        found.append(failed(_TOKEN, missing))
    else:
        token = settings.slack_bot_token.get_secret_value()
        found += await _bot_token(make_client(token, settings.slack_api_url))
    return [*found, await _transport(settings)]


async def inspect_channels(settings: Settings, channels: Collection[str]) -> list[Finding]:
    """Whether the bot is in the channels that the catalog names, by id or by name.

    Raises what listing channels raises. Private channels are only seen by their members.
    """
    if settings.slack_bot_token is None or not channels:
        return []
    client = make_client(settings.slack_bot_token.get_secret_value(), settings.slack_api_url)
    known: dict[str, dict[str, Any]] = {}
    try:
        async for channel in public_channels(client):
            known |= {str(channel.get(key)): channel for key in ("id", "name")}
    except FeatureUnavailableError as error:
        return [warned(_CHANNELS, f"They cannot be looked for: {error.what}", error.remedy)]
    found = [_channel(name, known.get(name)) for name in sorted(channels)]
    wrong = [finding for finding in found if finding is not None]
    return wrong or [passed(_CHANNELS, f"The bot is in all {len(found)} that the catalog names.")]


async def inspect_people(settings: Settings, references: Collection[str]) -> list[Finding]:
    """Whether Slack knows the people and groups that the catalog names."""
    if settings.slack_bot_token is None or not references:
        return []
    client = make_client(settings.slack_bot_token.get_secret_value(), settings.slack_api_url)

    async def nobody() -> str:
        return ""  # Only channels that were opened by the bot are told apart by it.

    chat = SlackChat(client, bot_user_id=nobody, clock=SystemClock())
    found = await chat.resolve(sorted(references))
    remedy = "Correct them under people in rollback.yml, or let the app look as in manifest.yml."
    wrong = [failed(_PEOPLE, PermanentError(problem, remedy)) for problem in found.problems]
    return wrong or [passed(_PEOPLE, f"Slack knows all {len(found.people)} that are named.")]


def _channel(name: str, channel: dict[str, Any] | None) -> Finding | None:
    """What is wrong with it."""
    if channel is None:
        return warned(
            _CHANNELS,
            f"{name} is no public channel; of private ones the bot cannot tell.",
            "Correct rollback.yml, or type /invite @rollback-bot there if it is private.",
        )
    if channel.get("is_archived"):
        archived = PermanentError(
            f"#{channel['name']} is archived.", "Name another channel in rollback.yml."
        )
        return failed(_CHANNELS, archived)
    if not channel.get("is_member"):
        stranger = PermanentError(
            f"The bot is not in #{channel['name']}, so nothing can be posted there.",
            "Type /invite @rollback-bot in it.",
        )
        return failed(_CHANNELS, stranger)
    return None


async def _bot_token(client: AsyncWebClient) -> list[Finding]:
    headers: dict[str, str] = {}

    async def ask(**arguments: Any) -> Any:
        response = await client.auth_test(**arguments)
        headers.update({name.lower(): str(value) for name, value in response.headers.items()})
        return response

    try:
        answer = await call(ask, subject="checking SLACK_BOT_TOKEN")
    except RollbackBotError as error:
        return [failed(_TOKEN, error)]
    known = passed(_TOKEN, f"{answer.get('user', 'The bot')} of {answer.get('team', 'the team')}.")
    return [known, _scopes(headers.get("x-oauth-scopes", ""))]


def _scopes(header: str) -> Finding:
    """Compare the scopes that Slack names in its answer with those of the manifest."""
    granted = {scope.strip() for scope in header.split(",") if scope.strip()}
    if not granted:
        return warned(_SCOPES, "Slack did not say which scopes the token has.")
    remedy = "Update the app from manifest.yml and reinstall it to the workspace."
    missing = sorted(REQUIRED - granted)
    if missing:
        lacking = PermanentError(f"Missing: {', '.join(missing)}.", remedy)
        return failed(_SCOPES, lacking)
    without = [f"{scope} ({what})" for scope, what in OPTIONAL.items() if scope not in granted]
    if without:
        return warned(_SCOPES, f"Missing, optional: {', '.join(without)}.", remedy)
    return passed(_SCOPES, f"All {len(REQUIRED) + len(OPTIONAL)} are granted.")


async def _transport(settings: Settings) -> Finding:
    if settings.slack_app_token is None:
        if settings.slack_signing_secret is None:
            missing = ConfigurationError(
                "Neither SLACK_APP_TOKEN nor SLACK_SIGNING_SECRET is set.",
                "Set SLACK_APP_TOKEN for Socket Mode, or SLACK_SIGNING_SECRET for HTTP.",
            )
            return failed(_TRANSPORT, missing)
        return warned(
            _TRANSPORT,
            "Over HTTP; whether Slack reaches the bot and signs with this secret, only a request "
            "can tell.",
            "Type /rollback help in Slack while the bot serves.",
        )
    client = make_client(settings.slack_app_token.get_secret_value(), settings.slack_api_url)
    try:
        # The answer is a ticket that nobody uses: no connection is made.
        await call(
            client.apps_connections_open,
            subject="opening Socket Mode with SLACK_APP_TOKEN",
            app_token=client.token,
        )
    except RollbackBotError as error:
        if isinstance(error, PermanentError):
            remedy = "Check SLACK_APP_TOKEN (xapp-…, scope connections:write)."
            return failed(_TRANSPORT, PermanentError(error.what, remedy))
        return failed(_TRANSPORT, error)
    return passed(_TRANSPORT, "Socket Mode opens.")
