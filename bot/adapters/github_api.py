"""Calls of GitHub's REST API."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from functools import wraps
from typing import Any, Literal, ParamSpec, TypeVar

import aiohttp
from yarl import URL

from bot.adapters.github_refusals import refusal, unanswered
from bot.adapters.http import read_all
from bot.config.paperwork import GitHubSettings
from bot.errors import (
    PermanentError,
    TemporaryError,
)
from bot.ports.outside import Secrets

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT = aiohttp.ClientTimeout(total=20)
LONGEST_ANSWER = 16 * 1024 * 1024
"""Bytes. A comparison comes with the patches of up to 300 files, which nobody asked for."""
PER_PAGE = 100
"""The most that GitHub gives at once."""
_HEADERS = {
    "Accept": "application/vnd.github+json",
    "X-GitHub-Api-Version": "2022-11-28",
    # GitHub refuses requests without one.
    "User-Agent": "rollback-bot",
}


class GitHubApi:
    """Sends requests about one repository at a time, with its own token."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    async def get(
        self, place: GitHubSettings, path: str, query: Mapping[str, str] | None = None
    ) -> Any:
        """GET below ``/repos/{owner}/{name}``; the JSON of the answer."""
        return await self._call("GET", place, path, query=query)

    async def send(
        self, method: Literal["POST", "PATCH"], place: GitHubSettings, path: str, body: Any
    ) -> Any:
        """Change something; raises OutcomeUnknownError when it may have arrived."""
        return await self._call(method, place, path, body=body)

    async def _call(
        self,
        method: str,
        place: GitHubSettings,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Any:
        headers = dict(_HEADERS)
        if place.token is not None:
            headers["Authorization"] = f"Bearer {self._secrets.read(place.token)}"
        url = f"{str(place.api_url).rstrip('/')}/repos/{place.repository}{path}"
        try:
            async with (
                aiohttp.ClientSession(timeout=TIMEOUT) as session,
                session.request(
                    method,
                    # Built by us, already quoted: a tag may have a slash in it.
                    URL(url, encoded=True).update_query(query or {}),
                    headers=headers,
                    json=body,
                ) as response,
            ):
                content = await read_all(response.content, LONGEST_ANSWER)
                text = content.decode(errors="replace")
                status, answered, asked = response.status, response.headers, response.method
        except aiohttp.ClientConnectorError as error:
            raise TemporaryError(
                f"GitHub cannot be reached at {place.api_url} ({type(error).__name__})."
            ) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unanswered(method, type(error).__name__) from error
        except ValueError:
            raise PermanentError(
                f"The token in {place.token} cannot be sent: it has a line break in it.",
                "Set the variable anew.",
            ) from None
        if asked != method:
            # A redirect of the kind that turns a change into a question: nothing was changed.
            raise PermanentError(
                f"GitHub has {place.repository} in another place by now.",
                "Correct the repository's name in rollback.yml.",
            )
        if status < 300:
            return _json(text, status)
        raise refusal(method, place, status, answered, text)


def as_documented(
    call: Callable[P, Coroutine[Any, Any, T]],
) -> Callable[P, Coroutine[Any, Any, T]]:
    """Take an answer that is JSON, but not as GitHub documents it, for one of something else."""

    @wraps(call)
    async def checked(*arguments: P.args, **named: P.kwargs) -> T:
        try:
            return await call(*arguments, **named)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise PermanentError(
                "An answer is not as GitHub documents it.",
                "Correct api_url in rollback.yml, or look for a proxy that answers in its place.",
            ) from error

    return checked


def _json(text: str, status: int) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise PermanentError(
            f"HTTP {status} without JSON: this is not GitHub's API.",
            "Correct api_url in rollback.yml.",
        ) from error
