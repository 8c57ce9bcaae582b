"""Calls of GitHub's REST API, and its refusals in our words."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Literal, ParamSpec, TypeVar

import aiohttp
from yarl import URL

from bot.adapters.http import read_all
from bot.config.paperwork import GitHubSettings
from bot.errors import (
    ForbiddenError,
    NotFoundError,
    OutcomeUnknownError,
    PermanentError,
    RollbackBotError,
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
            raise _unanswered(method, type(error).__name__) from error
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


def refusal(
    method: str, place: GitHubSettings, status: int, headers: Mapping[str, str], text: str
) -> RollbackBotError:
    """One of our errors for one of GitHub's answers (REST API, "Troubleshooting")."""
    said = _message(text)
    about = place.repository
    if status in {403, 429} and _is_limited(status, headers, said):
        wait = _wait(headers)
        return TemporaryError(f"GitHub asks us to slow down ({about}).", retry_after=wait)
    if status >= 500:
        return _unanswered(method, f"HTTP {status}")
    token = f"the token in {place.token}" if place.token else "requests without a token"
    if status == 401:
        return ForbiddenError(
            f"GitHub refuses {token} for {about}: {said}.",
            "Make a new token, and set the variable anew.",
        )
    if status == 403:
        needed = headers.get("X-Accepted-GitHub-Permissions", "")
        right = f" (it needs {needed})" if needed else ""
        return ForbiddenError(
            f"GitHub does not allow this to {token} in {about}{right}: {said}.",
            "Give the token the right; docs/paperwork.md lists those that are needed.",
        )
    if status == 404:
        return NotFoundError(
            f"GitHub has no such thing in {about}, or hides it from {token}: {said}.",
            "Check repository and tag in rollback.yml, and what the token may see.",
        )
    return PermanentError(f"GitHub refuses this in {about} with HTTP {status}: {said}.")


def _unanswered(method: str, why: str) -> TemporaryError:
    what = f"GitHub does not answer ({why})."
    return TemporaryError(what) if method == "GET" else OutcomeUnknownError(what)


def _is_limited(status: int, headers: Mapping[str, str], said: str) -> bool:
    """Primary limits leave nothing; secondary ones say when to come back, or only what it is."""
    spent = headers.get("X-RateLimit-Remaining") == "0"
    return status == 429 or spent or "Retry-After" in headers or "rate limit" in said.lower()


def _wait(headers: Mapping[str, str]) -> float:
    """Seconds to wait; a minute when GitHub does not say (its own advice)."""
    after, reset = headers.get("Retry-After", ""), headers.get("X-RateLimit-Reset", "")
    if after.isdigit():
        return float(after)
    if reset.isdigit():
        return max(1.0, float(reset) - datetime.now(tz=UTC).timestamp())
    return 60.0


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


def _message(text: str) -> str:
    """What GitHub says is wrong, with the fields that a 422 names."""
    try:
        body = json.loads(text)
    except ValueError:
        return "no reason given"
    if not isinstance(body, dict):
        return "no reason given"
    errors = body.get("errors") or ()
    details = [_detail(one) for one in (errors if isinstance(errors, list) else [errors])]
    told = "; ".join([str(body.get("message") or "no reason given"), *filter(None, details)])
    return " ".join(told.split())[:300].rstrip(".")


def _detail(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error)
    return str(error.get("message") or f"{error.get('field', '?')}: {error.get('code', '?')}")
