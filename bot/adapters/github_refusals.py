"""What GitHub refuses, in our words (REST API, "Troubleshooting")."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bot.config.paperwork import GitHubSettings
from bot.errors import (
    ForbiddenError,
    NotFoundError,
    OutcomeUnknownError,
    PermanentError,
    RollbackBotError,
    TemporaryError,
)


class GoneError(PermanentError):
    """What was there is there no more, or the repository has switched it off (HTTP 410)."""


def refusal(
    method: str, place: GitHubSettings, status: int, headers: Mapping[str, str], text: str
) -> RollbackBotError:
    """One of our errors for one of GitHub's answers."""
    said = _message(text)
    about = place.repository
    if status in {403, 429} and _is_limited(status, headers, said):
        wait = _wait(headers)
        return TemporaryError(f"GitHub asks us to slow down ({about}).", retry_after=wait)
    if status >= 500:
        return unanswered(method, f"HTTP {status}")
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
    kind = GoneError if status == 410 else PermanentError
    return kind(f"GitHub refuses this in {about} with HTTP {status}: {said}.")


def unanswered(method: str, why: str) -> TemporaryError:
    """No answer, or none that tells what became of the request."""
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


def _message(text: str) -> str:
    """What GitHub says is wrong, with the fields that a 422 names."""
    try:
        body = json.loads(text)
    except ValueError:
        return "no reason given"
    if not isinstance(body, dict):
        return "no reason given"
    errors = body.get("errors") or []
    details = [_detail(one) for one in (errors if isinstance(errors, list) else [errors])]
    told = "; ".join([str(body.get("message") or "no reason given"), *filter(None, details)])
    return " ".join(told.split())[:300].rstrip(".")


def _detail(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error)
    return str(error.get("message") or f"{error.get('field', '?')}: {error.get('code', '?')}")
