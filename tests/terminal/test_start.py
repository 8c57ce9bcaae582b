"""What every command pays for at its start."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("boto3", "drain3", "icalendar", "matplotlib")
"""Needed by few, and long to load."""


def test_what_few_commands_need_is_not_loaded_by_all_of_them() -> None:
    question = f"import sys, bot.cli.main; print([m for m in {HEAVY!r} if m in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", question], check=True, capture_output=True, text=True, timeout=60
    )
    assert answer.stdout.strip() == "[]"
