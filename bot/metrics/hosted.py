"""Buckets over a span, and what a source that is asked over the network tells of them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from pydantic import AfterValidator, Field, StringConstraints

from bot.clouds.kubernetes.api import retried
from bot.clouds.outside import Http, HttpAnswer
from bot.core.errors import (
    ForbiddenError,
    NotFoundError,
    PermanentError,
    RollbackBotError,
    TemporaryError,
)
from bot.core.values import Value
from bot.judge.series import buckets_of
from bot.metrics.port import Series

# Questions to the HTTP API of a monitoring system, with its answers in our words.

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
        body = "; ".join(_item_text(item) for item in body)
    return " ".join(str(body).split())[:_LONGEST_MESSAGE].rstrip(".")


def _item_text(item: Any) -> str:
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


MINUTE = 60
Counts = Sequence[float | None]
"""One count for each part of a span; None where nothing is known."""

NAMES = {
    "latency_ms": "The response time",
    "p95_ms": "The 95 % response time",
    "p99_ms": "The 99 % response time",
    "saturation": "Saturation",
    "requests_by_release": "Requests by release",
    "business": "The business metric",
}
"""Members of ``Series`` beside the counts, as people call them."""
_FULLER_THAN_FULL = 2.0
"""A share above this is no share but a percentage, or a number of something."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Consecutive parts of a span; a part that is not over by the end is left out."""

    start: datetime
    seconds: float
    number: int

    @classmethod
    def exact(cls, start: datetime, end: datetime, seconds: float) -> Grid:
        """From the start on, for a source that can be asked about any moment."""
        number = max(0, (end - start) // timedelta(seconds=seconds))
        return cls(start=start, seconds=seconds, number=number)

    @classmethod
    def minutes(cls, start: datetime, end: datetime) -> Grid:
        """Whole minutes of the clock, for a source that keeps no others.

        The minute in which the span begins is left out: what happened before a switch of traffic
        would leak into the evidence after it.
        """
        first = math.ceil(start.timestamp() / MINUTE) * MINUTE
        return cls.exact(datetime.fromtimestamp(first, UTC), end, MINUTE)

    @property
    def end(self) -> datetime:
        """End of the last part."""
        return self.start + timedelta(seconds=self.seconds * self.number)

    def filled(self, points: Mapping[float, float], *, ends: bool = False) -> list[float | None]:
        """Points by their time in seconds, each at the start (or the end) of its part."""
        found: list[float | None] = [None] * self.number
        for at, value in points.items():
            index = round((at - self.start.timestamp()) / self.seconds) - (1 if ends else 0)
            if 0 <= index < self.number and math.isfinite(value):
                found[index] = value
        return found

    def series(
        self,
        *,
        seconds: float,
        requests: Counts,
        errors: Counts,
        business: Counts = (),
        problems: Sequence[str] = (),
        figures: Mapping[str, Any],
    ) -> Series:
        """What was asked for, in buckets of at least ``seconds``.

        ``figures`` are the members of ``Series`` that hold for the whole span.
        """
        together = max(1, math.ceil(round(seconds / self.seconds, 6)))
        number = self.number // together
        told, more = checked(figures)
        return Series(
            buckets=buckets_of(
                _merged(requests, together, number),
                _merged(errors, together, number),
                start=self.start,
                seconds=self.seconds * together,
            ),
            business_per_minute=self._per_minute(business),
            problems=(*problems, *more),
            **told,
        )

    def _per_minute(self, counts: Counts) -> float | None:
        known = [count for count in counts if count is not None]
        return sum(known) / (len(known) * self.seconds) * MINUTE if known else None


def _merged(counts: Counts, together: int, number: int) -> list[float | None]:
    groups = (counts[index * together : (index + 1) * together] for index in range(number))
    return [added(group) for group in groups]


def added(counts: Sequence[float | None]) -> float | None:
    """The sum of what is known; None where nothing is."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def added_up(parts: Sequence[Counts], number: int) -> list[float | None]:
    """Several metrics that make one count together, part by part."""
    return [added([part[index] for part in parts]) for index in range(number)]


def checked(figures: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Figures without those that cannot be what they are called, and what is wrong with these."""
    told, problems = dict(figures), []
    full = told.get("saturation")
    if full is not None and not 0 <= full <= _FULLER_THAN_FULL:
        told["saturation"] = None
        problems.append(f"Saturation: {full:g} is no share of a limit, where 1 is full.")
    for name in ("latency_ms", "p95_ms", "p99_ms"):
        value = told.get(name)
        if value is not None and (value < 0 or not math.isfinite(value)):
            told[name] = None
    return told, problems


# Reads the counters of every pod of a service, and keeps the readings.

# What services export in the Prometheus format, and how their pods are asked for it.

OPEN_FILES = "process_open_fds / process_max_fds"
"""A share that the client libraries of most languages export without being asked."""
_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]
MetricName = Annotated[str, StringConstraints(pattern=f"^{_NAME}$")]
LabelName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]
UsedShare = Annotated[str, StringConstraints(pattern=rf"^{_NAME}(\s*/\s*{_NAME})?$")]
"""A gauge between 0 and 1, or two gauges: ``used / limit``."""


class Exported(Value):
    """The names of a service's metrics; the defaults are the usual ones."""

    requests: MetricName = "http_requests_total"
    """Name of the counter of requests."""
    error_label: LabelName = "code"
    """Label of the counter that tells errors apart."""
    error_pattern: Pattern = "5.."
    """Regular expression: values of the label that count as errors."""
    duration: MetricName = "http_request_duration_seconds"
    """Name of the histogram of request durations, in seconds."""
    where: dict[LabelName, str] = Field(default_factory=dict)
    """Only requests with these labels count, for example to leave out health checks."""
    saturation: UsedShare = OPEN_FILES
    """How full the service's scarcest resource is; not shown where nothing exports it."""
    business: MetricName | None = None
    """Name of a counter of what the service is there for: orders, sign-ups, payments."""
