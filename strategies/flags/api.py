"""Calls to the admin API of a flag service, with its answers in our words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from bot.errors import ForbiddenError, PermanentError, RollbackBotError
from bot.mask import Mask
from bot.ports.outside import HttpAnswer
from bot.ports.world import World
from strategies.flags.answers import message_in, refusal


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
