"""Smoke tests: what an answer must look like, and what is taken from it for later requests.

Pure: the requests themselves are sent by ``bot.proof.smoke_tests``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Protocol
from urllib.parse import quote

from pydantic import Field, JsonValue, field_validator, model_validator

from bot.catalog.types import Duration, SecretName
from bot.core.values import Value

# ``{{name}}`` in the requests of a smoke test, and the values put in its place.

_PLACE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
Variables = Mapping[str, JsonValue]
"""What ``{{name}}`` stands for."""


def names_in(value: Any) -> Iterator[str]:
    """Every ``{{name}}`` in a text, or in all texts of a JSON value."""
    if isinstance(value, str):
        yield from _PLACE.findall(value)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from names_in(key)
            yield from names_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from names_in(inner)


def filled(text: str, variables: Variables) -> str:
    """The text with every ``{{name}}`` replaced by its value."""
    return _PLACE.sub(lambda found: as_text(variables[found[1]]), text)


def filled_address(text: str, variables: Variables) -> str:
    """The same for a path or an address: values within it are escaped, a whole one is not."""
    if _PLACE.fullmatch(text):
        return filled(text, variables)
    return _PLACE.sub(lambda found: quote(as_text(variables[found[1]]), safe=""), text)


def filled_json(value: JsonValue, variables: Variables) -> JsonValue:
    """The same for a JSON value; a text that is nothing but a name keeps the value's type."""
    if isinstance(value, str):
        whole = _PLACE.fullmatch(value)
        return variables[whole[1]] if whole else filled(value, variables)
    if isinstance(value, dict):
        return {filled(key, variables): filled_json(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [filled_json(item, variables) for item in value]
    return value


def as_text(value: JsonValue) -> str:
    """A JSON value within a text: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


_SHOWN = 80
"""So many characters of a wrong value are shown."""


class Answer(Protocol):
    """An HTTP response, as far as a smoke test looks at it."""

    @property
    def status(self) -> int:
        """The status code."""

    @property
    def text(self) -> str:
        """The body."""

    @property
    def headers(self) -> dict[str, str]:
        """By names in lower case."""


class Expected(Value):
    """What an answer must look like; all of it must hold."""

    status: tuple[int, ...] = (200,)
    """Any of these; one number may stand alone."""
    json_members: dict[str, JsonValue] = Field(default_factory=dict, alias="json")
    """Members of the JSON body and their values; dots lead inwards: ``items.0.name``."""
    contains: str = ""
    """The body has this text."""
    not_contains: str = ""
    """The body does not have this text."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers and a text that each has in it, whatever the case."""

    @field_validator("status", mode="before", json_schema_input_type=int | tuple[int, ...])
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, int) else value

    @field_validator("status")
    @classmethod
    def _status_codes(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or any(not 100 <= code <= 599 for code in value):
            raise ValueError("status must be one or more codes between 100 and 599")
        return value

    @property
    def reads_body(self) -> bool:
        """Whether the answer needs a body."""
        return bool(self.json_members or self.contains)


class Capture(Value):
    """Where a value stands in an answer; exactly one place."""

    json_member: str = Field(default="", alias="json")
    """Path into the JSON body: ``access.token``."""
    header: str = ""
    """Header to take the value from."""
    pattern: str = ""
    """Regular expression for the body; its first group, or all of it without one."""

    @model_validator(mode="after")
    def _one_place(self) -> Capture:
        if sum(map(bool, (self.json_member, self.header, self.pattern))) != 1:
            raise ValueError("name exactly one of json, header and pattern")
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(f"pattern is not a regular expression: {error}") from error
        return self

    @property
    def reads_body(self) -> bool:
        """Whether the answer needs a body."""
        return not self.header


class NotFoundInAnswerError(LookupError):
    """The answer has no such member, header or text; the message says which."""


def unmet(
    expected: Expected,
    answer: Answer,
    variables: Variables,
    *,
    hide: Callable[[str], str] | None,
) -> list[str]:
    """What of it does not hold, one clause each; empty when all does.

    What is shown of the answer goes through ``hide`` first; without it nothing is shown.
    """

    def instead(actual: JsonValue, word: str, wanted: JsonValue) -> str:
        if hide is None:
            return f"is {word} {_shown(wanted)}"
        # Before it is cut: half a secret is a secret too, and would not be recognised.
        return f"is {_shown(hide(as_text(actual)))}, {word} {_shown(wanted)}"

    found = []
    if answer.status not in expected.status:
        wanted = " or ".join(map(str, expected.status))
        found.append(f"it answered {answer.status} instead of {wanted}")
    for path, value in expected.json_members.items():
        try:
            actual = member(answer.text, path)
        except NotFoundInAnswerError as error:
            found.append(str(error))
            continue
        if actual != filled_json(value, variables):
            found.append(f"{path} {instead(actual, 'not', value)}")
    if expected.contains and filled(expected.contains, variables) not in answer.text:
        found.append(f"the body lacks {_shown(expected.contains)}")
    if expected.not_contains and filled(expected.not_contains, variables) in answer.text:
        found.append(f"the body has {_shown(expected.not_contains)}")
    return [*found, *_unmet_headers(expected, answer, variables, instead)]


def _unmet_headers(
    expected: Expected,
    answer: Answer,
    variables: Variables,
    instead: Callable[[JsonValue, str, JsonValue], str],
) -> Iterator[str]:
    for name, part in expected.headers.items():
        actual = answer.headers.get(name.lower())
        if actual is None:
            yield f"header {name} is missing"
        elif filled(part, variables).lower() not in actual.lower():
            yield f"header {name} {instead(actual, 'without', part)}"


def captured(capture: Capture, answer: Answer) -> JsonValue:
    """The value at the place. Raises NotFoundInAnswerError when there is none."""
    if capture.json_member:
        return member(answer.text, capture.json_member)
    if capture.header:
        value = answer.headers.get(capture.header.lower())
        if value is None:
            raise NotFoundInAnswerError(f"header {capture.header} is missing")
        return value
    found = re.search(capture.pattern, answer.text)
    if found is None:
        raise NotFoundInAnswerError(f"nothing in the body matches {_shown(capture.pattern)}")
    return found[1] if found.re.groups else found[0]


def member(text: str, path: str) -> JsonValue:
    """A member of a JSON document by its path. Raises NotFoundInAnswerError."""
    try:
        value: JsonValue = json.loads(text)
    except ValueError as error:
        raise NotFoundInAnswerError(f"the body is not JSON, so it has no {path}") from error
    for part in path.split("."):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]  # type: ignore[index] # whatever cannot be entered raises, and is told
        except (LookupError, TypeError, ValueError) as error:
            raise NotFoundInAnswerError(f"the JSON body has no {path}") from error
    return value


def _shown(value: JsonValue) -> str:
    text = " ".join(as_text(value).split())
    return f"“{text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'}”"


# Smoke tests in the catalog: named sequences of HTTP requests that a user's task consists of.

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
