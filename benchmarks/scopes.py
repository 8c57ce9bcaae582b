"""How many rights the product wants in Slack."""

from __future__ import annotations

from pathlib import Path

from benchmarks.model import Budget, Samples, Unit
from sandbox.company import manifest


class Scopes:
    """Of the manifest's bot token."""

    name = "scopes"
    what = "scopes of the bot token"
    peer = ""
    unit: Unit = ""
    budget = Budget(limit=12, of="ours")
    rounds = 1

    async def measure(self, place: Path, rounds: int) -> Samples:
        """Counted, not measured."""
        return Samples(ours=(len(manifest()["oauth_config"]["scopes"]["bot"]),))
