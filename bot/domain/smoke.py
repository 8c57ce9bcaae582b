"""Smoke tests: what an answer must look like, and what is taken from it for later requests.

Pure: the requests themselves are sent by ``bot.pipeline.smoke``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Protocol

from pydantic import Field, JsonValue, field_validator, model_validator

from bot.domain.placeholders import Variables, as_text, filled, filled_json
from bot.domain.values import Value

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
