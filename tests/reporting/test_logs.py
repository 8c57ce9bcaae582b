"""Saved logs in a report: much of the same becomes one line, and what is private is masked."""

from __future__ import annotations

import pytest

from bot.reporting.pages import LINES_A_FILE, LISTED, log_patterns, masked
from tests.reporting.report_stories import pod_log


@pytest.mark.parametrize(
    ("line", "secret", "mask"),
    [
        ("login of ana.b+x@shop.example.com", "ana.b", "<email>"),
        ("Authorization: Bearer abc.def-123456", "abc.def", "<secret>"),
        ("sent bearer aGVsbG8gd29ybGQ=", "aGVsbG8", "<credential>"),
        ("password=hunter2, next", "hunter2", "<secret>"),
        ('{"api_key": "k-123 456", "n": 1}', "k-123", "<secret>"),
        ("dsn postgres://bot:s3cret@db/x", "s3cret", "<credential>"),
        ("jwt eyJhbGciOi.eyJzdWIiOi.c2lnbmF0", "eyJzdWIi", "<token>"),
        ("token xoxb-1234567890-abc", "1234567890", "<token>"),
        ("trace 4bf92f3577b34da6a3ce929d0e0e4736", "4bf92f", "<hex>"),
        ("id 123e4567-e89b-12d3-a456-426614174000", "426614174000", "<uuid>"),
        ("card 4111 1111 1111 1111 declined", "4111", "<number>"),
    ],
)
def test_what_is_nobodys_business_is_masked(line: str, secret: str, mask: str) -> None:
    assert secret not in masked(line)
    assert mask in masked(line)


def test_an_ordinary_line_stays_as_it_is() -> None:
    line = "2026-03-02T11:58:00Z INFO GET /healthz 200 in 12 ms (pod checkout-7d9f-x2x)"
    assert masked(line) == line


def test_lines_that_differ_in_figures_only_are_one_pattern_with_an_example() -> None:
    found = log_patterns({"a.log": pod_log()})
    assert found is not None
    assert (found.files, found.lines) == (1, 53)
    first, second, last = found.patterns
    assert (first.count, second.count, last.count) == (40, 12, 1)
    assert first.template == "<*> ERROR payment <*> of <email>: pool exhausted"
    assert first.example.endswith("payment 0 of <email>: pool exhausted")
    assert log_patterns({"a.log": pod_log()}) == found


def test_what_is_not_shown_is_counted() -> None:
    words = [chr(ord("a") + n // 26) + chr(ord("a") + n % 26) for n in range(LISTED + 5)]
    rare = "\n".join(f"{word} {word}x {word}y {word}z" for word in words)
    found = log_patterns({"a.log": rare, "b.log": "same line\n" * (LINES_A_FILE + 3)})
    assert found is not None
    assert len(found.patterns) == LISTED
    assert found.patterns[0].count == LINES_A_FILE
    assert (found.rarer_patterns, found.rarer_lines) == (6, 6)
    assert found.note == "3 older lines were left out."


def test_a_line_of_megabytes_is_shortened_and_says_so() -> None:
    found = log_patterns({"a.log": "x" * 3_000_000})
    assert found is not None
    assert found.patterns[0].example.endswith("more characters)")
    assert len(found.patterns[0].example) < 400


def test_without_logs_there_is_nothing_to_group() -> None:
    assert log_patterns({}) is None
    empty = log_patterns({"a.log": "\n\n"})
    assert empty is not None
    assert empty.lines == 0
