"""Building preflights."""

from __future__ import annotations

from collections.abc import Awaitable

from bot.core.errors import ForbiddenError, NotFoundError
from bot.incident.plan import Preflight, PreflightVerdict


def passed(name: str, sentence: str) -> Preflight:
    """The check speaks for the plan."""
    return Preflight(name=name, verdict=PreflightVerdict.PASS, sentence=sentence)


def warned(name: str, sentence: str) -> Preflight:
    """A person should know this before approving."""
    return Preflight(name=name, verdict=PreflightVerdict.WARN, sentence=sentence)


def blocked(name: str, sentence: str) -> Preflight:
    """The plan must not run."""
    return Preflight(name=name, verdict=PreflightVerdict.BLOCK, sentence=sentence)


async def or_unknown(name: str, check: Awaitable[Preflight]) -> Preflight:
    """The check's result; a warning where the bot may not look, since unknown is not passed."""
    try:
        return await check
    except (ForbiddenError, NotFoundError) as error:
        return warned(name, f"Not checked. {error}")
