"""What an examination of the installation found."""

from __future__ import annotations

from enum import StrEnum

from bot.core.errors import RollbackBotError
from bot.core.values import Value


class Health(StrEnum):
    """What one finding means."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    WARN = "warn"
    FAIL = "fail"


class Finding(Value):
    """One thing that was looked at."""

    subject: str
    health: Health
    what: str
    remedy: str = ""
    """What to do next; empty when nothing is to be done."""


def passed(subject: str, what: str) -> Finding:
    """It is as it should be."""
    return Finding(subject=subject, health=Health.PASS, what=what)


def warned(subject: str, what: str, remedy: str = "") -> Finding:
    """The bot works, but for this."""
    return Finding(subject=subject, health=Health.WARN, what=what, remedy=remedy)


def failed(subject: str, error: RollbackBotError) -> Finding:
    """The bot cannot do its work."""
    return Finding(subject=subject, health=Health.FAIL, what=error.what, remedy=error.remedy)
