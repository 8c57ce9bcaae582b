"""The AWS CLI's calls for a restore by hand."""

from __future__ import annotations

import json
import math
from typing import Any

from strategies.commands import aws_cli

_WAITER_SECONDS = 1800.0
"""60 attempts, 30 seconds apart (botocore's waiters for RDS)."""


def rename_command(region: str, old: str, new: str, seconds: float) -> str:
    """Rename and wait until the new name is known."""
    call = aws_cli(
        region,
        *("rds", "modify-db-instance", "--apply-immediately"),
        *("--db-instance-identifier", old, "--new-db-instance-identifier", new),
    )
    # The waiter gives up on a name that does not exist yet.
    seen = describe_command(region, new)
    waits = wait_command(region, new, seconds)
    return f"{call}\nuntil {seen} >/dev/null 2>&1; do sleep 10; done\n{waits}"


def describe_command(region: str, name: str) -> str:
    """Show the instance."""
    return aws_cli(region, "rds", "describe-db-instances", "--db-instance-identifier", name)


def wait_command(region: str, name: str, seconds: float) -> str:
    """Wait until it is available, for so long; each waiter gives up after half an hour."""
    wait = aws_cli(region, "rds", "wait", "db-instance-available", "--db-instance-identifier", name)
    rounds = math.ceil(seconds / _WAITER_SECONDS)
    if rounds < 2:
        return wait
    return f"for n in {' '.join(map(str, range(1, rounds + 1)))}; do {wait} && break; done"


def call_command(region: str, verb: str, arguments: Any) -> str:
    """A call with its arguments as one JSON document."""
    text = json.dumps(arguments, separators=(",", ":"), sort_keys=True)
    return aws_cli(region, "rds", verb, "--cli-input-json", text)
