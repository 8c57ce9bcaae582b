"""Figures in words: what is not known is said to be unknown."""

from __future__ import annotations

from bot.domain.assessment import percent
from bot.domain.events import ChangesCompared
from bot.domain.reporting.numbers import Numbers
from bot.domain.values import amount, spoken


def took(seconds: float | None) -> str:
    """A duration between two moments."""
    return "did not happen" if seconds is None else spoken(seconds)


def counted(value: int | None) -> str:
    """A count that rests on others."""
    return "unknown: too little was counted" if value is None else str(value)


def given(text: str) -> str:
    """What a person entered."""
    return text or "nothing was entered"


def share(fraction: float | None) -> str:
    """A share, as a percentage."""
    return "unknown" if fraction is None else percent(fraction)


def affected(numbers: Numbers) -> str:
    """The users that were affected: the estimate, and what the counts say beside it."""
    parts = [given(numbers.affected_users)]
    if numbers.affected_share is not None:
        parts.append(f"{percent(numbers.affected_share)} of the users")
    if numbers.failed_share is not None:
        parts.append(f"{percent(numbers.failed_share)} of the counted requests failed")
    return "; ".join(parts)


def changed(compared: ChangesCompared) -> str:
    """How much a release changed."""
    commits = amount(max(compared.total_commits, len(compared.commits)), "commit")
    return f"{commits}, {amount(len(compared.pull_requests), 'pull request')}"


def failed(numbers: Numbers) -> str:
    """How many requests failed in all; a sum with gaps says so."""
    if numbers.failed_requests is None:
        return "unknown: nothing was counted"
    if numbers.failed_requests_complete:
        return str(numbers.failed_requests)
    return f"at least {numbers.failed_requests}: not everything was counted"


def told(seconds: float | None, how: str) -> str:
    """A duration with what it rests on, or why there is none."""
    return f"unknown: {how}" if seconds is None else f"{spoken(seconds)} ({how})"
