"""``{{name}}`` in the requests of a smoke test, and the values put in its place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from pydantic import JsonValue

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
