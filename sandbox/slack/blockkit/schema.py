"""A small language for describing JSON, with problems worded and located as Slack does.

A check takes a value and the JSON pointer at which it stands, and yields problems.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Problem:
    """What is wrong, and where."""

    text: str
    pointer: str

    def __str__(self) -> str:
        return f"{self.text} [json-pointer:{self.pointer}]"


Problems = Iterator[Problem]


class Check(Protocol):
    """Anything that can judge a value."""

    def __call__(self, value: Any, at: str) -> Problems: ...


@dataclass(frozen=True, kw_only=True)
class String:
    """Text of a bounded length in characters, perhaps of a certain form."""

    max: int | None = None
    min: int = 0
    pattern: str | None = None
    means: str = "must match the required format"

    def __call__(self, value: Any, at: str) -> Problems:
        if not isinstance(value, str):
            yield Problem("must be a string", at)
            return
        if len(value) < self.min:
            yield Problem(f"must be more than {self.min - 1} characters", at)
        if self.max is not None and len(value) > self.max:
            yield Problem(f"must be less than {self.max + 1} characters", at)
        if self.pattern is not None and value and not re.fullmatch(self.pattern, value):
            yield Problem(self.means, at)


@dataclass(frozen=True)
class OneOf:
    """One of a closed list of strings."""

    values: tuple[str, ...]

    def __call__(self, value: Any, at: str) -> Problems:
        if value not in self.values:
            yield Problem(f"must be one of: {', '.join(self.values)}", at)


@dataclass(frozen=True)
class Boolean:
    """true or false, and nothing that merely looks like it."""

    def __call__(self, value: Any, at: str) -> Problems:
        if not isinstance(value, bool):
            yield Problem("must be a boolean", at)


@dataclass(frozen=True, kw_only=True)
class Integer:
    """A whole number within bounds."""

    min: int | None = None
    max: int | None = None

    def __call__(self, value: Any, at: str) -> Problems:
        if isinstance(value, bool) or not isinstance(value, int):
            yield Problem("must be an integer", at)
            return
        if self.min is not None and value < self.min:
            yield Problem(f"must be greater than or equal to {self.min}", at)
        if self.max is not None and value > self.max:
            yield Problem(f"must be less than or equal to {self.max}", at)


@dataclass(frozen=True)
class Anything:
    """A value that is not looked into."""

    def __call__(self, value: Any, at: str) -> Problems:
        yield from ()


@dataclass(frozen=True, kw_only=True)
class List:
    """A list with a bounded number of items, each judged alike."""

    of: Check
    min: int = 1
    max: int | None = None

    def __call__(self, value: Any, at: str) -> Problems:
        if not isinstance(value, list):
            yield Problem("must be an array", at)
            return
        if len(value) < self.min:
            yield Problem(f"no fewer than {self.min} items allowed", at)
        if self.max is not None and len(value) > self.max:
            yield Problem(f"no more than {self.max} items allowed", at)
        for index, item in enumerate(value):
            yield from self.of(item, f"{at}/{index}")


Rule = Callable[[Mapping[str, Any]], Iterable[str]]


@dataclass(frozen=True, kw_only=True)
class Object:
    """A JSON object: the keys it must and may have, and rules across them."""

    required: Mapping[str, Check] = field(default_factory=dict)
    optional: Mapping[str, Check] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()

    def __call__(self, value: Any, at: str) -> Problems:
        if not isinstance(value, dict):
            yield Problem("must be an object", at)
            return
        for name in self.required:
            if value.get(name) is None:
                yield Problem(f"missing required field: {name}", at)
        known = {**self.required, **self.optional}
        for name, held in value.items():
            if name not in known:
                yield Problem(f"invalid additional property: {name}", at)
            elif held is not None:
                yield from known[name](held, f"{at}/{name}")
        for rule in self.rules:
            yield from (Problem(text, at) for text in rule(value))


@dataclass(frozen=True, kw_only=True)
class Tagged:
    """An object whose `type` says which description holds."""

    kinds: Mapping[str, Check]
    what: str = "type"

    def __call__(self, value: Any, at: str) -> Problems:
        if not isinstance(value, dict):
            yield Problem("must be an object", at)
            return
        kind = value.get("type")
        if kind is None:
            yield Problem("missing required field: type", at)
        elif not isinstance(kind, str) or kind not in self.kinds:
            yield Problem(f"unsupported {self.what}: {kind}", f"{at}/type")
        else:
            yield from self.kinds[kind](value, at)


@dataclass(frozen=True)
class Matching:
    """A check whose inner problems are introduced by Slack's general one."""

    check: Check

    def __call__(self, value: Any, at: str) -> Problems:
        inner = list(self.check(value, at))
        if inner:
            yield Problem("failed to match all allowed schemas", at)
        yield from inner


def kind(name: str, **parts: Any) -> Object:
    """An `Object` whose `type` is `name`."""
    required = {"type": OneOf((name,)), **parts.pop("required", {})}
    return Object(required=required, **parts)


def any_of(*names: str) -> Rule:
    """At least one of these keys must be there."""

    def rule(value: Mapping[str, Any]) -> Iterable[str]:
        if not any(value.get(name) for name in names):
            yield f"must define either {' or '.join(f'`{n}`' for n in names)}"

    return rule


def exactly_one_of(*names: str) -> Rule:
    """One of these keys must be there, and only one."""

    def rule(value: Mapping[str, Any]) -> Iterable[str]:
        given = [name for name in names if value.get(name) is not None]
        if len(given) != 1:
            yield f"must define exactly one of {', '.join(f'`{n}`' for n in names)}"

    return rule
