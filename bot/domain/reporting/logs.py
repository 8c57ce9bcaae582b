"""Saved log lines, grouped by what they have in common."""

from __future__ import annotations

from bot.domain.values import Value


class LogPattern(Value):
    """Lines that differ in their figures and names only."""

    count: int
    template: str
    """The common words; ``<*>`` stands where lines differ."""
    example: str
    """The first such line, masked and shortened."""


class LogPatterns(Value):
    """What the saved logs say, the most frequent first."""

    files: int
    lines: int
    patterns: tuple[LogPattern, ...]
    rarer_patterns: int = 0
    """So many more patterns are not listed."""
    rarer_lines: int = 0
    note: str = ""
    """What was left out before the lines were grouped, if anything."""
