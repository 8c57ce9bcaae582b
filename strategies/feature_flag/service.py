"""Calls to the admin API of a flag service, with its answers in our words."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, Protocol
from urllib.parse import quote

from pydantic import Field

from bot.clouds.kubernetes.workloads import moment
from bot.clouds.outside import HttpAnswer
from bot.core.errors import (
    ForbiddenError,
    NotFoundError,
    OutcomeUnknownError,
    PermanentError,
    RollbackBotError,
    TemporaryError,
    WorldMovedError,
)
from bot.core.mask import Mask
from bot.core.values import Facts, Instant, Value
from bot.engine.world import StepState, World
from bot.incident.plan import Preflight
from strategies.common.waiting import until_right
from strategies.feature_flag.target import FLAGS, Expectation, FlagTarget, Probe

# A feature flag as the strategy sees it, whatever service keeps it.


class FlagState(Value):
    """What is recorded before a change, and what an undo restores."""

    enabled: bool
    """Whether the feature reaches anybody by this flag."""
    settings: Facts = Field(default_factory=dict)
    """What decides who gets it and in which form: percentage, rules, value."""


class Flag(Value):
    """One reading of a flag."""

    state: FlagState
    summary: str
    """The state in a few words: “on for 50 % of the users”."""
    version: str = ""
    """Changes with every change of the flag; empty where the service has no such thing."""
    changed_at: Instant | None = None
    changed_by: str = ""
    """Who changed it last, where the service tells."""
    settled: bool = True
    """False while the service still carries out the last change."""
    document: Any = None
    """What the service answered."""


class FlagService(Protocol):
    """A flag at the service that keeps it. Raises as ``bot.clouds.outside.Http`` and the API do."""

    place: str
    """Where the flag is, for people: “Unleash (default/production)”."""

    async def read(self) -> Flag:
        """The flag now; raises NotFoundError when there is none."""

    async def switch(self, flag: Flag, wanted: FlagState) -> None:
        """Change it, guarded by a precondition of the API where it has one.

        ``flag`` is a fresh reading. Raises WorldMovedError when it changed since.
        """

    def off(self, flag: Flag) -> FlagState:
        """The state that switching off leads to."""

    async def preflights(self, flag: Flag) -> tuple[Preflight, ...]:
        """What should be known of this service before the flag is switched off."""

    def caveats(self, flag: Flag) -> tuple[str, ...]:
        """What an undo cannot restore."""

    def command(self, flag: Flag, wanted: FlagState) -> str:
        """The equivalent shell command of a change."""

    def read_command(self) -> str:
        """The shell command that shows the flag."""


@dataclass(frozen=True, kw_only=True)
class FlagProvider:
    """A service of feature flags. Registered in pyproject.toml, under ``rollback_bot.flags``."""

    name: str
    settings: type[FlagTarget]
    client: Callable[[Any, World], FlagService]
    """Made of a target with these settings."""


def flag_service(target: FlagTarget, world: World) -> FlagService:
    """The service that keeps the target's flag."""
    provider: FlagProvider = FLAGS.get(target.provider)
    return provider.client(target, world)


def reached(flag: Flag, wanted: FlagState) -> bool:
    """Whether the flag is as wanted; off is off, whatever it would do when it was on."""
    if not wanted.enabled:
        return not flag.state.enabled
    return flag.state == wanted


def compare(flag: Flag, *, old: FlagState, new: FlagState, version: str) -> StepState:
    """How a flag relates to a change; ``version`` is empty when any will do."""
    if reached(flag, new):
        return StepState.AFTER
    moved = bool(version and flag.version and version != flag.version)
    return StepState.OTHER if flag.state != old or moved else StepState.BEFORE


def stamp(text: object) -> datetime | None:
    """A time that a service states; None when it is missing or lacks its zone."""
    at = moment(text)
    return at if at is not None and at.tzinfo is not None else None


# Answers of a flag service that are no success, in our words.

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


@dataclass(frozen=True, kw_only=True)
class Api:
    """One service's API. The token is read for every call and never kept."""

    world: World
    name: str
    """As people call the service: “Unleash”."""
    base: str
    """URL without a slash at the end."""
    token: str | None
    """Name of the secret."""
    header: str = "Authorization"
    scheme: str = ""
    right: str = "the right to change the flag"
    """What the token needs, for the one who is told that it is missing."""
    headers: Mapping[str, str] = field(default_factory=dict)

    async def get(self, path: str) -> Any:
        """The JSON of an answer; raises PermanentError when it is none."""
        return self.parsed(await self.call("GET", path))

    async def record(self, path: str, *members: str) -> dict[str, Any]:
        """A JSON object that has these members; raises PermanentError when it has not."""
        found = await self.get(path)
        if isinstance(found, dict) and all(member in found for member in members):
            return found
        raise PermanentError(
            f"{self.name} answers GET {path} without {' and '.join(members)}.",
            f"Check that {self.base} in rollback.yml is the API of {self.name}.",
        )

    def parsed(self, answer: HttpAnswer) -> Any:
        """The JSON of an answer; raises PermanentError when it is none."""
        try:
            return json.loads(answer.text)
        except ValueError:
            raise PermanentError(
                f"{self.name} answers with something else than JSON.",
                f"Check the URL {self.base} in rollback.yml.",
            ) from None

    async def maybe(self, path: str) -> Any:
        """The JSON of an answer that would be good to have; None when it cannot be had."""
        try:
            return await self.get(path)
        except RollbackBotError:
            return None

    async def call(
        self,
        method: Literal["GET", "POST", "PUT", "PATCH"],
        path: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """Send a request; the answer when it is a success, else the fitting error."""
        secret = self._secret()
        # Errors of the transport name the URL, which holds no secret, and never the headers.
        answer = await self.world.http.request(
            method,
            self.base + path,
            headers={**self.headers, **(headers or {}), **self._authorization(secret)},
            json=body,
        )
        if 200 <= answer.status < 300:
            return answer
        raise self._refusal(method, path, answer, secret)

    def curl(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """The equivalent command; the token stands in it as the name of its variable."""
        words = ["curl", "-fsS"]
        if method != "GET":
            words += ["-X", method]
        if self.token:
            prefix = f"{self.scheme} " if self.scheme else ""
            words += ["-H", f'"{_in_double_quotes(f"{self.header}: {prefix}")}${self.token}"']
        given = {**self.headers, **(headers or {})}
        if body is not None:
            given = {"Content-Type": "application/json", **given}
        for name, value in given.items():
            words += ["-H", _quoted(f"{name}: {value}")]
        if body is not None:
            words += ["-d", _quoted(json.dumps(body, separators=(",", ":")))]
        return " ".join([*words, _quoted(self.base + path)])

    def _secret(self) -> str:
        return self.world.secrets.read(self.token).strip() if self.token else ""

    def _authorization(self, secret: str) -> dict[str, str]:
        if not secret:
            return {}
        return {self.header: f"{self.scheme} {secret}" if self.scheme else secret}

    def _refusal(self, method: str, path: str, answer: HttpAnswer, secret: str) -> RollbackBotError:
        said = message_in(Mask((secret,)).hide(answer.text))
        what = (
            f"{self.name} answers {method} {path} with {answer.status}{f': {said}' if said else ''}"
        )
        if answer.status == 401:
            return ForbiddenError(
                f"{self.name} does not accept the token (401).",
                f"Put a valid one into {self.token}." if self.token else "Name a token.",
            )
        return refusal(
            answer,
            what,
            changes=method != "GET",
            right=f"Give the token {self.right}.",
            now=self.world.clock.now(),
        )


def server(url: object, *ends: str) -> str:
    """The address in front of an API's paths; people give it with them, as for the SDKs."""
    base = str(url).rstrip("/")
    for end in ends:
        base = base.removesuffix(end).rstrip("/")
    return base


def segment(name: str) -> str:
    """A name as one segment of a path, or as a value in a query."""
    return quote(name, safe="")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\"'\"'") + "'"


def _in_double_quotes(text: str) -> str:
    """Where a variable is to be filled in beside it."""
    return re.sub(r'([\\"$`])', r"\\\1", text)


# A short name for rules that must be found again unchanged.


def digest(rules: Any) -> str:
    """The first 16 hexadecimal digits of SHA-256 over the canonical JSON."""
    canonical = json.dumps(rules, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


# Asking a service whether a feature is off.


async def await_expected(world: World, url: str, probe: Probe) -> str:
    """Ask until so many answers in a row are as expected; what is wrong else, empty when well.

    One answer proves nothing: a load balancer may have chosen an instance that knows already.
    """
    return await until_right(
        lambda: ask(world, url, probe),
        world.clock,
        times=probe.times,
        patience_seconds=probe.patience.total_seconds(),
    )


async def ask(world: World, url: str, probe: Probe) -> str:
    """What is wrong with one answer; empty when it is as expected."""
    try:
        answer = await world.http.get(probe_url(url, probe))
    except TemporaryError as error:
        return error.what
    wrong = _difference(answer, probe.expect)
    return f"{probe.path} answers {wrong}" if wrong else ""


def probe_url(url: str, probe: Probe) -> str:
    """Where the probe asks."""
    return f"{url.rstrip('/')}/{probe.path.lstrip('/')}"


def _difference(answer: HttpAnswer, expected: Expectation) -> str:
    if answer.status != expected.status:
        return f"HTTP {answer.status} instead of {expected.status}"
    if expected.contains and expected.contains not in answer.text:
        return f"without “{expected.contains}”"
    if expected.not_contains and expected.not_contains in answer.text:
        return f"with “{expected.not_contains}”"
    if not expected.json_members:
        return ""
    try:
        body = json.loads(answer.text)
    except ValueError:
        return "something else than JSON"
    for path, value in expected.json_members.items():
        found = _member(body, path)
        if found != value or isinstance(found, bool) is not isinstance(value, bool):
            return f"{path} = {json.dumps(found)[:80]} instead of {json.dumps(value)}"
    return ""


def _member(body: Any, path: str) -> Any:
    for name in path.split("."):
        body = body.get(name) if isinstance(body, dict) else None
    return body
