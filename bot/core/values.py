"""The base of all domain values, and the few that everything shares."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

Instant = AwareDatetime
"""A moment with its time zone; the bot stores and computes in UTC."""

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
"""A share between 0 and 1 (0.05 is five per cent)."""

Facts = dict[str, JsonValue]
"""What was observed, as plain JSON."""


class Value(BaseModel):
    """An immutable value, compared by its content."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other content; what was computed of the old content does not come along.

        pydantic copies cached properties too: a changed plan would keep the hash under which the
        old one was approved.
        """
        copied = super().model_copy(update=update, deep=deep)
        for name in set(copied.__dict__) - set(type(copied).model_fields):
            del copied.__dict__[name]
        return copied


class Actor(Value):
    """Who did something: a Slack user, a person at the terminal, or the bot itself."""

    id: str
    """Slack user id, ``cli:<login>`` or ``bot``."""
    name: str

    @property
    def is_bot(self) -> bool:
        """Whether nobody but the bot itself acted."""
        return self.id == "bot"


BOT = Actor(id="bot", name="rollback-bot")


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Seconds from start to end; None when one of them has not happened."""
    if start is None or end is None:
        return None
    return (end - start).total_seconds()


def amount(number: int, noun: str) -> str:
    """How many there are, for people: ``1 step``, ``1,240 requests``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def spoken(seconds: float) -> str:
    """A duration for people: ``45 s``, ``2 min 5 s``, ``1 h 20 min``."""
    if 0 < seconds < 10 and seconds != int(seconds):
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{rest} s"
