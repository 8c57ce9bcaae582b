"""Durations as people write them in a configuration file."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

_PATTERN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


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
    return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than nothing")
    return value


Duration = Annotated[timedelta, BeforeValidator(parse_duration), AfterValidator(_positive)]
"""A span of time longer than zero, written ``90s``, ``10m``, ``1h30m`` or as seconds."""
