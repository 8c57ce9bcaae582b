"""How soon a rollback goes on whose process was killed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from benchmarks.companies import busy, with_bad_release
from benchmarks.model import Budget, Samples, Unit
from sandbox.bot_process import BotProcess
from sandbox.cluster.base.resources import SERVICES
from sandbox.company import Company
from sandbox.journey import Journey

REFUSED = 1000
"""Requests that the API server refuses: more than a bot sends that is about to die."""


class Resume:
    """Killed in the middle of a switch; from the new process's start until traffic is moved."""

    name = "resume"
    what = "kill -9 in the middle of a step: start of the new process until the step is carried out"
    peer = "the same start with nothing to do, until ready"
    unit: Unit = "s"
    budget = Budget(limit=2.0, of="ours")
    rounds = 5

    async def measure(self, place: Path, rounds: int) -> Samples:
        """One round: a company, an approval, a kill, a start with work, a start without."""
        ours, peer = [], []
        for number in range(rounds):
            async with Company(folder=place / str(number), pace=busy()) as company:
                journey = await with_bad_release(company)
                await _killed_in_the_middle(journey)
                ours.append(await _resumed(company))
                await company.bot.stop()
                peer.append(await _idle_start(company))
        return Samples(ours=tuple(ours), peer=tuple(peer))


async def _killed_in_the_middle(journey: Journey) -> None:
    """The API server refuses the switch until the bot has asked for it, and been killed."""
    company = journey.company
    await journey.until_declared("ana")
    card = await journey.plan_card()
    server = company.cluster.server
    server.faults.answer(503, times=REFUSED, verb="patch", resource="services")
    await journey.approve("ben", card)
    await journey.text("▶️ Running since")
    await company.bot.kill()
    server.faults.clear()


async def _resumed(company: Company) -> float:
    start = time.perf_counter()
    async with asyncio.TaskGroup() as both:
        both.create_task(company.bot.start())
        moved = both.create_task(company.cluster.until(lambda: _is_blue(company), timeout=60))
        moved_at = both.create_task(_after(moved))
    return moved_at.result() - start


async def _after(task: asyncio.Task[bool]) -> float:
    await task
    return time.perf_counter()


async def _idle_start(company: Company) -> float:
    folder = company.folder / "idle"
    folder.mkdir()
    (folder / "rollback.yml").write_text((company.folder / "rollback.yml").read_text())
    database = {"ROLLBACK_DATABASE_URL": f"sqlite:///{folder.resolve() / 'bot.sqlite3'}"}
    bot = BotProcess(folder=folder, environment={**company.bot.environment, **database})
    start = time.perf_counter()
    try:
        await bot.start()
        return time.perf_counter() - start
    finally:
        await bot.stop()


def _is_blue(company: Company) -> bool:
    service = company.cluster.store.get(SERVICES, "shop", "checkout")
    return bool(service["spec"]["selector"].get("version") == "blue")
