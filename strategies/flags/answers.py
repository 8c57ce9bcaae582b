"""Answers of a flag service that are no success, in our words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from bot.errors import (
    ForbiddenError,
    NotFoundError,
    OutcomeUnknownError,
    PermanentError,
    RollbackBotError,
    TemporaryError,
    WorldMovedError,
)
from bot.ports.outside import HttpAnswer

_LONGEST_MESSAGE = 200
_LONGEST_PAUSE_SECONDS = 60.0
_MILLISECONDS_FROM, _EPOCH_FROM = 1e11, 1e9
"""What a reset header counts shows by its size: milliseconds, seconds of an epoch, or a span."""


class RejectedError(PermanentError):
    """The service does not take what was sent, and has changed nothing."""

    def __init__(self, what: str, remedy: str = "", *, answer: Any = None) -> None:
        super().__init__(what, remedy)
        self.fields = frozenset(answer) if isinstance(answer, Mapping) else frozenset()
        """Of the request, where the answer names them."""


def refusal(
    answer: HttpAnswer, what: str, *, changes: bool, right: str, now: datetime
) -> RollbackBotError:
    """The error that a status is; ``right`` is what the token needs, with the remedy's verb."""
    match answer.status:
        case 403:
            return ForbiddenError(what, right)
        case 404:
            return NotFoundError(what, "Check the names in rollback.yml.")
        case 409 | 412:
            return WorldMovedError(what, "Somebody changed the flag: plan again.")
        case 408 | 425 | 429:
            return TemporaryError(what, retry_after=_pause(answer.headers, now))
        case status if status >= 500:
            after = _pause(answer.headers, now)
            return (OutcomeUnknownError if changes else TemporaryError)(what, retry_after=after)
        case status if 300 <= status < 400:
            return PermanentError(
                what, "It sends us elsewhere, perhaps to https or a log-in: check the URL."
            )
        case 400 | 422:
            return RejectedError(what, answer=_parsed(answer.text))
    return PermanentError(what)


def message_in(text: str) -> str:
    """What an error body says, in one line."""
    found = parsed = _parsed(text)
    if parsed is None:
        return ""
    if isinstance(parsed, dict):
        found = next((parsed[k] for k in ("message", "detail", "error") if parsed.get(k)), parsed)
    line = found if isinstance(found, str) else json.dumps(found)
    return " ".join(line.split())[:_LONGEST_MESSAGE]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _pause(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait, from ``Retry-After`` (RFC 9110: seconds or a date) or a reset header."""
    seconds = _after(headers.get("retry-after", ""), now)
    if seconds is None:
        seconds = _reset(headers.get("x-ratelimit-reset", ""), now)
    return None if seconds is None else min(max(seconds, 0.0), _LONGEST_PAUSE_SECONDS)


def _after(stated: str, now: datetime) -> float | None:
    if stated.isdecimal():
        return float(stated)
    try:
        at = parsedate_to_datetime(stated)
    except ValueError:
        return None
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()


def _reset(stated: str, now: datetime) -> float | None:
    """LaunchDarkly states milliseconds of the epoch; others seconds of it, or how many."""
    if not stated.isdecimal():
        return None
    value = float(stated)
    if value >= _MILLISECONDS_FROM:
        value /= 1000
    return value - now.timestamp() if value >= _EPOCH_FROM else value
