"""Ages as kubectl shows them, after apimachinery `pkg/util/duration`."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.base.types import parse_time

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86_400, 365 * 86_400
UNKNOWN = "<unknown>"


def age(timestamp: str | None, now: datetime) -> str:
    """How long ago the timestamp was, e.g. `5m10s`; `<unknown>` without one."""
    if not timestamp:
        return UNKNOWN
    return human_duration((now - parse_time(timestamp)).total_seconds())


def human_duration(seconds: float) -> str:
    """`HumanDuration`: two units while the second one still matters."""
    whole = int(seconds)
    if whole < 0:
        return "<invalid>" if whole < -1 else "0s"
    if whole < 2 * _MINUTE:
        return f"{whole}s"
    if whole < 10 * _MINUTE:
        return _two(whole, _MINUTE, "m", 1, "s")
    if whole < 3 * _HOUR:
        return f"{whole // _MINUTE}m"
    if whole < 8 * _HOUR:
        return _two(whole, _HOUR, "h", _MINUTE, "m")
    if whole < 2 * _DAY:
        return f"{whole // _HOUR}h"
    return _days(whole)


def _days(whole: int) -> str:
    if whole < 8 * _DAY:
        return _two(whole, _DAY, "d", _HOUR, "h")
    if whole < 2 * _YEAR:
        return f"{whole // _DAY}d"
    if whole < 8 * _YEAR:
        return _two(whole, _YEAR, "y", _DAY, "d")
    return f"{whole // _YEAR}y"


def _two(whole: int, unit: int, name: str, small: int, small_name: str) -> str:
    rest = whole % unit // small
    return f"{whole // unit}{name}{rest}{small_name}" if rest else f"{whole // unit}{name}"
