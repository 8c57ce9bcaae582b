"""Durations as people write them in a configuration file."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

_PATTERN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

LONGEST = timedelta(days=3650)
"""Moments that are further away cannot be reckoned with."""


def parse_duration(value: Any) -> Any:
    """Turn ``90``, ``"90s"``, ``"10m"`` or ``"1h30m"`` into a timedelta; numbers are seconds.

    Raises ValueError for a text that is not a duration. Other types are left to pydantic.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    parts = _PATTERN.findall(text)
    if not parts or "".join(_PATTERN.sub("", text).split()):
        raise ValueError(f"“{value}” is not a duration; write it like 90s, 10m or 1h30m")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    # What is longer is refused below; a timedelta could not even hold all of it.
    return timedelta(seconds=min(seconds, 2 * LONGEST.total_seconds()))


def _sensible(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than nothing")
    if value > LONGEST:
        raise ValueError(f"must not be longer than {written(LONGEST)}")
    return value


def written(value: timedelta) -> str:
    """The shortest way to write a duration: ``1h30m``, ``10m``, ``0.5s``."""
    rest = value.total_seconds()
    parts = []
    for unit in ("d", "h", "m"):
        count, rest = divmod(rest, _UNITS[unit])
        if count:
            parts.append(f"{count:g}{unit}")
    if rest or not parts:
        parts.append(f"{rest:g}s")
    return "".join(parts)


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    AfterValidator(_sensible),
    WithJsonSchema(
        {
            "title": "duration",
            "anyOf": [
                {"type": "string", "pattern": r"^\s*(\d+(\.\d+)?\s*(ms|s|m|h|d)\s*)+$"},
                {"type": "number", "exclusiveMinimum": 0},
            ],
        }
    ),
]
"""A span of time longer than zero, written ``90s``, ``10m``, ``1h30m`` or as seconds."""
