"""Saved logs, grouped into patterns by drain3, with what is nobody's business masked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from bot.domain.reporting.logs import LogPattern, LogPatterns

LISTED = 25
"""Patterns that a report lists; how many more there are is said."""
LINES_A_FILE = 20_000
"""The newest lines of a log that are grouped; how many are left out is said."""
_LONGEST_LINE = 1_000
_LONGEST_EXAMPLE = 300
_MASKS = (
    (re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"), "<email>"),
    (re.compile(r"(?i)\b(?:bearer|basic)\s+[\w.~+/=-]{6,}"), "<credential>"),
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*"), "<token>"),
    (re.compile(r"(://)[^/\s:@]{1,200}:[^/\s@]{1,200}@"), r"\1<credential>@"),
    (
        re.compile(
            r"""(?ix)\b([\w-]{0,40}(?:password|passwd|pwd|secret|token|api[_-]?key|apikey
            |authorization|cookie|session[_-]?id|private[_-]?key))
            (["']?\s{0,3}[:=]\s{0,3})("[^"]*"?|'[^']*'?|[^\s,;&"']+)"""
        ),
        r"\1\2<secret>",
    ),
    (re.compile(r"\b(?:xox[a-z]-|xapp-|gh[pousr]_|github_pat_|sk-|AKIA|ASIA)[\w-]{8,}"), "<token>"),
    (
        re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"),
        "<uuid>",
    ),
    (re.compile(r"\b(?:0x)?[0-9a-fA-F]{16,}\b"), "<hex>"),
    (re.compile(r"\b\d{12,19}\b|\b(?:\d{4}[ -]){3}\d{1,7}\b"), "<number>"),
)
"""Obvious ones only: what an application should not log is not all found afterwards."""


def masked(line: str) -> str:
    """A line without e-mail addresses, credentials, tokens and long identifiers."""
    for pattern, mask in _MASKS:
        line = pattern.sub(mask, line)
    return line


def log_patterns(logs: Mapping[str, str]) -> LogPatterns | None:
    """Group the lines of logs, given by their names; None when there are none.

    The same logs give the same patterns. Takes seconds for many megabytes: call it outside the
    event loop.
    """
    if not logs:
        return None
    # Loaded only here: most incidents never come this far while the process lives.
    from drain3.drain import Drain  # type: ignore[import-untyped] # noqa: PLC0415 - no stubs exist

    miner = Drain(sim_th=0.5)
    examples: dict[int, str] = {}
    total = left_out = 0
    for name in sorted(logs):
        lines = [line.strip() for line in logs[name].splitlines() if line.strip()]
        left_out += max(0, len(lines) - LINES_A_FILE)
        for line in _masked_lines(lines[-LINES_A_FILE:]):
            total += 1
            cluster, _ = miner.add_log_message(line)
            examples.setdefault(cluster.cluster_id, line)
    found = [
        LogPattern(
            count=cluster.size,
            template=_shortened(cluster.get_template()),
            example=_shortened(examples[cluster.cluster_id]),
        )
        for cluster in sorted(miner.clusters, key=lambda one: (-one.size, one.cluster_id))
    ]
    rarer = found[LISTED:]
    return LogPatterns(
        files=len(logs),
        lines=total,
        patterns=tuple(found[:LISTED]),
        rarer_patterns=len(rarer),
        rarer_lines=sum(pattern.count for pattern in rarer),
        note=f"{left_out} older lines were left out." if left_out else "",
    )


def _masked_lines(lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        # Cut first, so that a line of megabytes costs no time; a cut secret is masked all the same.
        yield masked(line[:_LONGEST_LINE])


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST_EXAMPLE:
        return text
    return f"{text[:_LONGEST_EXAMPLE]}… ({len(text) - _LONGEST_EXAMPLE} more characters)"
