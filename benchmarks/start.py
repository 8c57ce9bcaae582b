"""How long the bot takes to be ready, against importing its libraries alone."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.companies import QUIET, with_example_catalog
from benchmarks.libraries import loaded_libraries
from benchmarks.model import Budget, Samples, Unit
from benchmarks.processes import Module
from sandbox.company import Company


class Start:
    """From the start of the process to /readyz, with the example catalog."""

    name = "start"
    what = "start of the process to ready, with examples/rollback.yml"
    peer = "importing the same libraries"
    unit: Unit = "s"
    budget = Budget(limit=1.5, of="ratio")
    rounds = 9

    async def measure(self, place: Path, rounds: int) -> Samples:
        """One round: import, then start and stop."""
        libraries = await loaded_libraries()
        ours, peer = [], []
        async with Company(folder=place, pace=QUIET) as company:
            with_example_catalog(company)
            for number in range(rounds + 1):
                imported = await _import(libraries)
                start = time.perf_counter()
                await company.bot.start()
                ready = time.perf_counter() - start
                await company.bot.stop()
                if number:  # the first of both fills the caches of the disk
                    peer.append(imported)
                    ours.append(ready)
        return Samples(ours=tuple(ours), peer=tuple(peer), note=f"{len(libraries)} modules")


async def _import(libraries: tuple[str, ...]) -> float:
    start = time.perf_counter()
    async with Module("libraries", *libraries) as process:
        await process.line()
        return time.perf_counter() - start
