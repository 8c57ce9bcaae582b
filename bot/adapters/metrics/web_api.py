"""Questions to the HTTP API of a monitoring system, with its answers in our words."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from bot.adapters.kubernetes.retries import retried
from bot.errors import (
    ForbiddenError,
    NotFoundError,
    PermanentError,
    RollbackBotError,
    TemporaryError,
)
from bot.ports.outside import Http, HttpAnswer

T = TypeVar("T")

_LONGEST_MESSAGE = 200
_PAUSES = ("retry-after", "x-ratelimit-reset")
"""Headers that tell in seconds how long to wait."""


@dataclass(frozen=True, kw_only=True)
class WebApi:
    """One system's API. Its secrets are read for every call and never kept."""

    http: Http
    name: str
    """As people call the system, and where: “Prometheus (https://…)”."""
    base: str
    """URL without a slash at the end."""
    headers: Callable[[], Mapping[str, str]]
    """Whatever lets us in. Raises ConfigurationError when a variable is not set."""
    credentials: str
    """What to mend when it does not."""
    right: str
    """What the credentials must allow."""

    async def get(self, path: str, parameters: Mapping[str, str | int | float]) -> Any:
        """The JSON of the answer.

        Asked again a few times while it fails temporarily. Raises ForbiddenError, NotFoundError,
        TemporaryError (with the pause that the other side asks for) and PermanentError.
        """
        headers = dict(self.headers())
        url = f"{self.base}{path}?{urlencode(parameters)}" if parameters else self.base + path
        return await retried(lambda: self._attempt(url, headers))

    async def _attempt(self, url: str, headers: Mapping[str, str]) -> Any:
        try:
            answer = await self.http.request("GET", url, headers=headers)
        except TemporaryError as error:
            # The transport names the whole URL, and a query is long.
            raise TemporaryError(
                f"{self.name} does not answer.", error.remedy or "Is it up?"
            ) from error
        if not 200 <= answer.status < 300:
            raise self._refusal(answer, headers)
        try:
            return json.loads(answer.text)
        except ValueError:
            raise PermanentError(
                f"{self.name} answers with something else than JSON.",
                "Check the address under metrics in rollback.yml.",
            ) from None

    def _refusal(self, answer: HttpAnswer, headers: Mapping[str, str]) -> RollbackBotError:
        status, said = answer.status, _without(headers, message_in(answer.text))
        what = f"{self.name} answers with status {status}{f': {said}' if said else ''}."
        if status == 401:
            return ForbiddenError(f"{self.name} does not know us (status 401).", self.credentials)
        if status == 403:
            return ForbiddenError(what, self.right)
        if status == 404:
            return NotFoundError(what, "Check address and names under metrics in rollback.yml.")
        if status == 429:
            return TemporaryError(
                what, "It limits how often it may be asked.", retry_after=_pause(answer)
            )
        if status >= 500 or status == 408:
            return TemporaryError(what, "Is it up?", retry_after=_pause(answer))
        if status < 400:
            return PermanentError(
                what, "It sends us elsewhere, perhaps to a log-in: check the address."
            )
        return PermanentError(what, "Check names and queries under metrics in rollback.yml.")


def message_in(text: str) -> str:
    """What an API says about an error, short enough to show; nothing of an HTML page."""
    try:
        body = json.loads(text)
    except ValueError:
        body = "" if text.lstrip().startswith("<") else text
    if isinstance(body, dict):
        body = body.get("error") or body.get("errors") or body.get("message") or ""
    if isinstance(body, list):
        body = "; ".join(_said(item) for item in body)
    return " ".join(str(body).split())[:_LONGEST_MESSAGE].rstrip(".")


def _said(item: Any) -> str:
    """One of several errors; version 2 of Datadog's API tells them as objects."""
    if isinstance(item, dict):
        return str(item.get("detail") or item.get("title") or "")
    return str(item)


def _without(headers: Mapping[str, str], text: str) -> str:
    for value in headers.values():
        for secret in (value, value.partition(" ")[2]):
            text = text.replace(secret, "…") if len(secret) > 3 else text
    return text


def _pause(answer: HttpAnswer) -> float | None:
    for name in _PAUSES:
        try:
            seconds = float(answer.headers.get(name, ""))
        except ValueError:
            continue
        return max(0.0, seconds)
    return None


async def attempted(work: Awaitable[T]) -> T | RollbackBotError:
    """The result, or why there is none, so that one missing figure does not hide the others."""
    try:
        return await work
    except RollbackBotError as error:
        return error
