"""What every command pays for at its start."""

from __future__ import annotations

import subprocess
import sys

HELP = ("aiohttp", "boto3", "kubernetes", "pydantic", "rich.console", "slack_sdk", "sqlite_utils")
"""Help, and a mistyped option, need none of these."""
SERVE = ("boto3", "drain3", "icalendar", "matplotlib")
"""Needed by few, and long to load."""


def _loaded(after: str, among: tuple[str, ...]) -> list[str]:
    question = f"import sys; {after}; print(*[m for m in {among!r} if m in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", question], check=True, capture_output=True, text=True, timeout=60
    )
    return answer.stdout.split()


def test_the_commands_themselves_load_nothing_that_works() -> None:
    assert _loaded("import bot.cli.main", HELP) == []


def test_what_few_commands_need_is_not_loaded_to_serve() -> None:
    assert _loaded("from bot.cli import work; work.serving", SERVE) == []
