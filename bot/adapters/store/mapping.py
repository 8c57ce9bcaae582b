"""How values become columns: instants as integers, everything nested as JSON text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter

from bot.domain.values import Facts

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

FACTS: TypeAdapter[Facts] = TypeAdapter(Facts)


def micros(at: datetime) -> int:
    """Microseconds since 1970 in UTC: exact, and ordered alike in both databases."""
    return (at - _EPOCH) // _MICROSECOND


def instant(stored: int) -> datetime:
    """The moment that ``micros`` stored, in UTC."""
    return _EPOCH + stored * _MICROSECOND


def plain(text: str) -> str:
    """Text without NUL, which PostgreSQL does not keep; a dump in an error may contain one."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
