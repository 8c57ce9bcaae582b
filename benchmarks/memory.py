"""The memory of a bot that has just started and has nothing to do."""

from __future__ import annotations

import asyncio
from pathlib import Path

from benchmarks.companies import QUIET, with_example_catalog
from benchmarks.libraries import loaded_libraries
from benchmarks.model import Budget, CannotRunError, Samples, Unit
from benchmarks.processes import Module
from sandbox.bot_process import BotProcess
from sandbox.company import Company

WATCHED_SECONDS = 5.0
"""After it is ready; the highest of the readings counts."""
EVERY_SECONDS = 0.5


class Memory:
    """Resident memory, with the example catalog."""

    name = "memory"
    what = "resident memory after the start, with examples/rollback.yml"
    peer = "the same libraries, imported"
    unit: Unit = "MB"
    budget = Budget(limit=150, of="ours")
    rounds = 3

    async def measure(self, place: Path, rounds: int) -> Samples:
        """One round: the libraries alone, then the bot."""
        libraries = await loaded_libraries()
        ours, peer = [], []
        async with Company(folder=place, pace=QUIET) as company:
            with_example_catalog(company)
            for _ in range(rounds):
                async with Module("libraries", *libraries) as process:
                    await process.line()
                    peer.append(resident(process.pid))
                bot = _Bot(folder=place, environment=company.bot.environment)
                try:
                    await bot.start()
                    ours.append(await _highest(bot.pid))
                finally:
                    await bot.stop()
        return Samples(ours=tuple(ours), peer=tuple(peer))


class _Bot(BotProcess):
    @property
    def pid(self) -> int:
        """Its process id; raises CannotRunError before the start."""
        if self._process is None:
            raise CannotRunError("the bot was not started")
        return self._process.pid


async def _highest(pid: int) -> float:
    highest = 0.0
    for _ in range(round(WATCHED_SECONDS / EVERY_SECONDS)):
        highest = max(highest, resident(pid))
        await asyncio.sleep(EVERY_SECONDS)
    return highest


def resident(pid: int) -> float:
    """Resident memory of a process in megabytes; raises CannotRunError where nobody tells."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError as error:
        raise CannotRunError("memory is read from /proc, which is not there") from error
    kibibytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(kibibytes) * 1024 / 1e6
