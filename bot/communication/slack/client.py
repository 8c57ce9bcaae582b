"""Slack's Web API client, and its errors in our words."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.web.file_upload_v2_result import FileUploadV2Result

from bot.core.errors import (
    FeatureUnavailableError,
    OutcomeUnknownError,
    PermanentError,
    RollbackBotError,
    TemporaryError,
)

# How calls of the Web API are put on the wire, so that every server that speaks it understands.

NO_SUCH_METHOD = frozenset({404, 405, 501})
"""What web servers answer where they have nothing. Slack itself answers 200 and
``unknown_method``."""


class WireClient(AsyncWebClient):
    """Slack's client, with arguments where the Web API documents them.

    The SDK puts the arguments of most POSTs into the query string. Slack reads both; others read
    the body alone, where the documentation has them (https://docs.slack.dev/apis/web-api/), and
    proxies write query strings into their logs.
    """

    async def api_call(
        self, api_method: str, *, http_verb: str = "POST", **arguments: Any
    ) -> AsyncSlackResponse:
        """Call a method. Reading by GET is repeated as POST where a server knows only that."""
        if http_verb != "GET":
            return await super().api_call(
                api_method, http_verb=http_verb, **_in_the_body(arguments)
            )
        try:
            return await super().api_call(api_method, http_verb=http_verb, **arguments)
        except SlackApiError as error:
            if not is_nowhere(error) and code_of(error) != "unknown_method":
                raise
        return await super().api_call(api_method, http_verb="POST", **_in_the_body(arguments))

    async def files_completeUploadExternal(  # noqa: N802 - the SDK's name
        self, *args: Any, **arguments: Any
    ) -> AsyncSlackResponse:
        """Share what was uploaded. The SDK counts the files of an answer that may have none."""
        answer = await super().files_completeUploadExternal(*args, **arguments)
        if isinstance(answer.data, dict):
            answer.data["files"] = answer.data.get("files") or []
        return answer

    async def _upload_file(self, **arguments: Any) -> FileUploadV2Result:
        """Send a file's bytes; raises TemporaryError when they may be sent again.

        Nobody sees them before the upload is completed, so that nothing can be doubled.
        """
        if not arguments.get("url"):
            raise FeatureUnavailableError("Slack did not say where files are to be sent.")
        result = await super()._upload_file(**arguments)
        if result.status == 429 or result.status >= 500:
            raise TemporaryError(f"Slack's file store answers with HTTP {result.status}.")
        return result

    async def _request(self, **arguments: Any) -> dict[str, Any]:
        """An answer that is no JSON object says nothing; the SDK trips over it."""
        answer: dict[str, Any] = await super()._request(**arguments)
        if not isinstance(answer["data"], dict):
            answer["data"] = {}
        return answer


def status_of(error: SlackApiError) -> int:
    """The HTTP status of a refused call."""
    # The SDK gives aiohttp's own response where the body could not be read.
    response = error.response
    status = getattr(response, "status_code", None) or getattr(response, "status", None)
    return int(status or 200)


def data_of(error: SlackApiError) -> dict[str, Any]:
    """The answer of a refused call; empty when it was no JSON object."""
    data = getattr(error.response, "data", error.response)
    return data if isinstance(data, dict) else {}


def code_of(error: SlackApiError) -> str:
    """Slack's own code, such as ``channel_not_found``; empty when the answer had none."""
    code = data_of(error).get("error")
    return code if isinstance(code, str) else ""


def is_nowhere(error: SlackApiError) -> bool:
    """Whether whoever answered has no such address: Slack's own refusals have ``ok`` in them."""
    return status_of(error) in NO_SUCH_METHOD and "ok" not in data_of(error)


def _in_the_body(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The same arguments, those of the query string as a form."""
    params = arguments.get("params")
    if not params or any(arguments.get(other) for other in ("json", "data", "files")):
        return dict(arguments)
    form = {name: _field(value) for name, value in params.items() if value is not None}
    # The token has a header of its own.
    token = form.pop("token", None)
    headers = dict(arguments.get("headers") or {})
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return {**arguments, "params": None, "data": form, "headers": headers or None}


def _field(value: Any) -> str:
    """A form holds text alone: booleans as 1 and 0, structures as JSON."""
    if isinstance(value, bool):
        return str(int(value))
    return json.dumps(value) if isinstance(value, (dict, list, tuple)) else str(value)


TIMEOUT_SECONDS = 20
KEPT_SECONDS = 2.0
"""So long an idle connection is used again. Servers keep theirs for longer: of a call on one that
ends at that very moment nobody could say whether it arrived."""

# Slack's own words: "It's possible some aspect of the operation succeeded before the error".
_OUTCOME_UNKNOWN = {"internal_error", "fatal_error", "request_timeout"}
_TEMPORARY = {"ratelimited", "rate_limited", "service_unavailable", "team_added_to_org"}
NOTHING_TO_DO = "This Slack does not have the feature; nothing needs to be done."
_UNAVAILABLE = {
    "missing_scope": "Add the scope to the app as in manifest.yml, and reinstall the app.",
    "unknown_method": NOTHING_TO_DO,
    "method_deprecated": "Update the bot.",
    "not_allowed_token_type": "Install the app as in manifest.yml.",
    "restricted_action": "Ask a workspace admin to allow it for the bot.",
    "restricted_action_read_only_channel": "Ask a workspace admin to allow the bot to post there.",
    "not_allowed": "Ask a workspace admin to allow it for the bot.",
    "feature_not_enabled": "This workspace does not have the feature; nothing needs to be done.",
    "canvas_disabled_user_team": "This workspace has no canvases; nothing needs to be done.",
    "team_tier_cannot_create_channel_canvases": "This workspace's plan does not include it.",
    "paid_teams_only": "This workspace's plan does not include it.",
    "plan_upgrade_required": "This workspace's plan does not include it.",
}
_EVERYWHERE = {
    "auth.test",
    "apps.connections.open",
    "chat.postMessage",
    "chat.update",
    "views.open",
}
"""Methods without which there is no Slack: if one is not there, it is the way that is wrong."""
_REMEDIES = {
    "not_in_channel": "Invite the bot to the channel with `/invite`.",
    "channel_not_found": "Correct the channel in rollback.yml, or invite the bot to it.",
    "is_archived": "Name another channel in rollback.yml, or unarchive this one.",
    "invalid_auth": "The token is wrong: reinstall the app and set SLACK_BOT_TOKEN anew.",
    "not_authed": "The token is missing: set SLACK_BOT_TOKEN.",
    "account_inactive": "The bot user is deactivated: reinstall the app.",
    "token_revoked": "The token was revoked: reinstall the app and set SLACK_BOT_TOKEN anew.",
    "token_expired": "The token expired: reinstall the app and set SLACK_BOT_TOKEN anew.",
    "user_not_found": "Correct the person in rollback.yml.",
    "users_not_found": "Correct the e-mail address in rollback.yml.",
    "no_such_subteam": "Correct the user group in rollback.yml.",
}


def make_session() -> aiohttp.ClientSession:
    """Connections that are used again: the next version of a card waits for no handshake.

    Needs the running loop; whoever makes it closes it, after the last call.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_SECONDS),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
        # The token says who calls; a cookie of one answer has no part in the next request.
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def make_client(
    token: str, api_url: str, session: aiohttp.ClientSession | None = None
) -> AsyncWebClient:
    """A Web API client; retrying is the caller's business, who knows what may be repeated.

    Without a session every call opens a connection of its own.
    """
    base = api_url if api_url.endswith("/") else f"{api_url}/"
    return WireClient(
        token=token, base_url=base, timeout=TIMEOUT_SECONDS, session=session, retry_handlers=[]
    )


async def call(
    method: Callable[..., Awaitable[Any]], *, subject: str, **arguments: Any
) -> dict[str, Any]:
    """Call a Web API method; ``subject`` names it and its object in errors.

    Raises TemporaryError, OutcomeUnknownError, FeatureUnavailableError or PermanentError.
    """
    try:
        response = await method(**arguments)
    except RollbackBotError:
        raise
    except SlackApiError as error:
        raise translated(error, subject) from error
    except aiohttp.ClientConnectorError as error:
        raise TemporaryError(f"Slack cannot be reached ({subject}).") from error
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise OutcomeUnknownError(f"Slack did not answer ({subject}).") from error
    except SlackClientError as error:
        raise PermanentError(f"The Slack client refused {subject}: {error}") from error
    data = response.data
    return data if isinstance(data, dict) else {}


def translated(error: SlackApiError, subject: str) -> RollbackBotError:
    """One of our errors for one of Slack's."""
    status, code = status_of(error), code_of(error)
    if status == 429 or code in _TEMPORARY:
        return TemporaryError(
            f"Slack asks us to slow down ({subject}).", retry_after=_retry_after(error)
        )
    if is_nowhere(error):
        return _not_there(error, status, subject)
    if status >= 500 or code in _OUTCOME_UNKNOWN or not code:
        return OutcomeUnknownError(f"Slack failed with HTTP {status} {code} ({subject}).")
    if code in _UNAVAILABLE or code.startswith("not_allowed"):
        needed = _needed(error)
        what = f"Slack does not allow {subject}: {code}{needed}."
        return FeatureUnavailableError(what, _UNAVAILABLE.get(code, _UNAVAILABLE["not_allowed"]))
    remedy = _REMEDIES.get(code, "")
    if code == "not_in_channel":
        # Somebody can invite the bot any moment, and what is owed should then arrive.
        return TemporaryError(f"Slack refused {subject}: {code}.", remedy, retry_after=30.0)
    return SlackRefusedError(f"Slack refused {subject}: {code}.", remedy, code=code)


class SlackRefusedError(PermanentError):
    """Slack understood the call and said no; ``code`` is its own word for why."""

    def __init__(self, what: str, remedy: str = "", *, code: str) -> None:
        super().__init__(what, remedy)
        self.code = code


def _not_there(error: SlackApiError, status: int, subject: str) -> RollbackBotError:
    """Whoever answered has no such method: a Slack of somebody's own, or no Slack at all."""
    what = f"Nothing answers as Slack does there (HTTP {status}, {subject})."
    if _method(error) in _EVERYWHERE:
        return TemporaryError(what, "Check SLACK_API_URL, and the proxy on the way to Slack.")
    return FeatureUnavailableError(what, NOTHING_TO_DO)


def _method(error: SlackApiError) -> str:
    """The method that was called, as it stands at the end of its address."""
    url = getattr(error.response, "api_url", None) or getattr(error.response, "url", "")
    return str(url).partition("?")[0].rpartition("/")[2]


def _needed(error: SlackApiError) -> str:
    needed = data_of(error).get("needed")
    return f" ({needed})" if needed else ""


def _retry_after(error: SlackApiError) -> float:
    headers = getattr(error.response, "headers", {}) or {}
    for name, value in headers.items():
        if name.lower() == "retry-after":
            try:
                return max(1.0, float(value))
            except ValueError:
                break
    return 30.0
