"""Runs the catalog's smoke tests: users' tasks, request by request, from where the bot is."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, quote_plus, urlsplit

from pydantic import JsonValue

from bot.catalog.service import ServiceEntry
from bot.catalog.smoke_tests import (
    NotFoundInAnswerError,
    SmokeRequest,
    SmokeTest,
    Variables,
    captured,
    filled,
    filled_address,
    filled_json,
    unmet,
)
from bot.clouds.outside import HttpAnswer
from bot.core.errors import RollbackBotError
from bot.engine.context import Context
from bot.incident import events as e

AGENT = "rollback-bot (smoke test)"
_TELLING = 6
"""A captured value of fewer characters is a number or a word, and no key to anything."""
_LONGEST = 400
"""Characters of what is told about a failed test."""


class _FailedError(Exception):
    """A request was not answered as expected; the message says how, and may hold secrets."""


async def run_all(context: Context, entry: ServiceEntry) -> tuple[e.SmokeResult, ...]:
    """Run all tests of a service one behind the other; one that fails stops no other."""
    return tuple([await _Run(context, entry, test).result() for test in entry.smoke_tests])


class _Run:
    """One test: its variables and cookies grow with every request."""

    def __init__(self, context: Context, entry: ServiceEntry, test: SmokeTest) -> None:
        self._clock = context.clock
        self._http = context.world.http
        self._secrets = context.world.secrets
        self._base = str(entry.url or "").rstrip("/")
        self._test = test
        self._variables: dict[str, JsonValue] = {}
        self._cookies: dict[str, dict[str, str]] = {}
        """By the host that set them."""

    async def result(self) -> e.SmokeResult:
        """How it went. What failed is told by the catalog's own words, never with a secret."""
        began = self._clock.now()
        what = ""
        try:
            for name, variable in self._test.secrets.items():
                self._variables[name] = self._secrets.read(variable)
            for request in self._test.requests:
                await self._send(request)
        except _FailedError as failed:
            what = self._hide(str(failed))
        except RollbackBotError as error:
            what = self._hide(error.what)
        return e.SmokeResult(
            name=self._test.name,
            passed=not what,
            what=what if len(what) <= _LONGEST else what[: _LONGEST - 1] + "…",
            seconds=(self._clock.now() - began).total_seconds(),
        )

    async def _send(self, request: SmokeRequest) -> None:
        answer = await self._answer(request)
        # A secret comes back in more disguises than could be recognised: of a test that has one,
        # nothing of an answer is shown.
        hide = None if self._test.secrets else self._hide
        wrong = unmet(request.expect, answer, self._variables, hide=hide)
        if wrong:
            raise _FailedError(f"{request.label}: {'; '.join(wrong)}")
        for name, capture in request.capture.items():
            try:
                self._variables[name] = captured(capture, answer)
            except NotFoundInAnswerError as missing:
                raise _FailedError(f"{request.label}: no “{name}”, because {missing}") from missing

    async def _answer(self, request: SmokeRequest) -> HttpAnswer:
        known: Variables = self._variables
        path = filled_address(request.path, known)
        url = self._base + path if request.path else filled_address(request.url, known)
        host = urlsplit(url).netloc
        headers = {"User-Agent": AGENT}
        if jar := self._cookies.get(host):
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        headers |= {name: filled(value, known) for name, value in request.headers.items()}
        if any("\n" in value or "\r" in value for value in headers.values()):
            raise _FailedError(f"{request.label}: a header's value has a line break in it")
        form = {filled(key, known): filled(value, known) for key, value in request.form.items()}
        seconds = self._test.timeout.total_seconds()
        try:
            answer = await self._http.request(
                request.method,
                url,
                headers=headers,
                json=filled_json(request.json_body, known),
                form=form or None,
                timeout_seconds=seconds,
            )
        except RollbackBotError as error:
            # The address that was called may hold a secret; the catalog's words do not.
            raise _FailedError(
                f"{request.label}: the service cannot be reached or does not answer within "
                f"{seconds:g} s ({type(error.__cause__ or error).__name__})"
            ) from error
        self._cookies.setdefault(host, {}).update(answer.cookies)
        return answer

    def _hide(self, text: str) -> str:
        """Without secrets and what was captured; the longest first, for one may be in another."""
        hidden = {name: str(self._variables[name]) for name in self._variables}
        for name in sorted(hidden, key=lambda one: -len(hidden[one])):
            if name not in self._test.secrets and len(hidden[name]) < _TELLING:
                continue
            for form in _forms(hidden[name]):
                text = text.replace(form, f"‹{name}›")
        return text


def _forms(secret: str) -> Iterable[str]:
    """A secret as it may appear in an answer or an address."""
    if not secret:
        return ()
    escaped = secret.encode("unicode_escape").decode()
    return dict.fromkeys((secret, quote(secret, safe=""), quote_plus(secret), escaped))
