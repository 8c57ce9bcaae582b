"""How many packages the product depends on directly."""

from __future__ import annotations

import tomllib
from pathlib import Path

from benchmarks.model import Budget, Samples, Unit
from sandbox.company import ROOT


class Dependencies:
    """Of pyproject.toml, without extras and the tools of developers."""

    name = "dependencies"
    what = "direct dependencies"
    peer = ""
    unit: Unit = ""
    budget = Budget(limit=18, of="ours")
    rounds = 1

    async def measure(self, place: Path, rounds: int) -> Samples:
        """Counted, not measured."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        return Samples(ours=(len(project["dependencies"]),))
