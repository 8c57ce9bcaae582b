"""Smoke tests in the catalog: named sequences of HTTP requests that a user's task consists of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, JsonValue, model_validator

from bot.config.durations import Duration
from bot.config.secrets import SecretName
from bot.domain.placeholders import names_in
from bot.domain.smoke import Capture, Expected
from bot.domain.values import Value

VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""Used as ``{{name}}``."""


class SmokeRequest(Value):
    """One request of a sequence. Redirects are not followed: expect 302 where one comes."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    path: str = ""
    """Behind the service's ``url``."""
    url: str = ""
    """A whole address, for example of another host; instead of ``path``."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers to send."""
    json_body: JsonValue = Field(default=None, alias="json")
    """A body in JSON."""
    form: dict[str, str] = Field(default_factory=dict)
    """Sent as application/x-www-form-urlencoded."""
    expect: Expected = Expected()
    """What the answer must be like."""
    capture: dict[VariableName, Capture] = Field(default_factory=dict)
    """Values of the answer that later requests use."""

    @model_validator(mode="after")
    def _one_address_and_one_body(self) -> SmokeRequest:
        if bool(self.path) == bool(self.url):
            raise ValueError("name either path or url")
        if self.path and not self.path.startswith(("/", "{{")):
            raise ValueError("path must begin with “/”")
        if self.url and not self.url.startswith(("http://", "https://", "{{")):
            raise ValueError("url must begin with “http://” or “https://”")
        if self.json_body is not None and self.form:
            raise ValueError("a request has one body: json or form")
        if self.method in {"GET", "HEAD"} and (self.json_body is not None or self.form):
            raise ValueError(f"{self.method} has no body: use another method, or leave it out")
        if self.method == "HEAD":
            self._needs_no_body()
        return self

    def _needs_no_body(self) -> None:
        unreachable = [name for name, one in self.capture.items() if one.reads_body]
        if unreachable:
            raise ValueError(
                f"capture “{unreachable[0]}” can never be taken: an answer to HEAD has no body"
            )
        if self.expect.reads_body:
            raise ValueError("an answer to HEAD has no body to expect something of")

    @property
    def label(self) -> str:
        """The request as the catalog writes it, with the names of variables, not their values."""
        return f"{self.method} {self.path or self.url}"

    def used(self) -> Iterator[str]:
        """Names of the variables that it needs."""
        expected = self.expect
        for part in (self.path, self.url, self.headers, self.json_body, self.form):
            yield from names_in(part)
        for part in (expected.json_members, expected.contains, expected.not_contains):
            yield from names_in(part)
        yield from names_in(expected.headers)


class SmokeTest(Value):
    """A task of a user: all requests in order must be answered as expected.

    It must be safe to repeat: it is run with every verification, and again after a restart.
    """

    name: str = Field(min_length=1, max_length=80)
    """What users do, in a few words."""
    secrets: dict[VariableName, SecretName] = Field(default_factory=dict)
    """Variable → environment variable that holds its value."""
    timeout: Duration = timedelta(seconds=10)
    """How long each request may take."""
    requests: tuple[SmokeRequest, ...] = Field(min_length=1, max_length=50)
    """Requests in order; each may use what earlier ones captured."""

    @model_validator(mode="after")
    def _every_variable_is_set_before(self) -> SmokeTest:
        known = set(self.secrets)
        for number, request in enumerate(self.requests, start=1):
            for name in request.used():
                if name not in known:
                    raise ValueError(self._unknown(name, number, known))
            shadowed = set(request.capture) & set(self.secrets)
            if shadowed:
                raise ValueError(
                    f"request {number} captures “{min(shadowed)}”, which is a secret's name"
                )
            known |= set(request.capture)
        return self

    def _unknown(self, name: str, number: int, known: set[str]) -> str:
        where = f"request {number} ({self.requests[number - 1].label}) uses {{{{{name}}}}}"
        later = [place for place, one in enumerate(self.requests, start=1) if name in one.capture]
        if later:
            return f"{where}, which only request {later[0]} captures: move that one before it"
        options = ", ".join(sorted(known)) or "none"
        return f"{where}, which is neither a secret nor captured before; known here: {options}"
