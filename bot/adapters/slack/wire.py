"""How calls of the Web API are put on the wire, so that every server that speaks it understands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.web.file_upload_v2_result import FileUploadV2Result

from bot.errors import FeatureUnavailableError, TemporaryError

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
