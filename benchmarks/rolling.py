"""A rolling rollback by the bot, and by kubectl."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.companies import busy, operators_shell, with_bad_release
from benchmarks.model import Budget, Samples, Unit
from benchmarks.processes import timed_script
from sandbox.cluster.node.timings import KubeletTimings
from sandbox.company import Company
from sandbox.journey import Journey

VERIFIED = "ready and answer with v2.0.0"
"""What the card says once every pod was asked."""


class Rolling:
    """From the click on Approve to the card that says: every pod runs the old release."""

    name = "rolling"
    what = "rolling, 4 replicas: approval to every pod verified, on the card in Slack"
    peer = "kubectl rollout undo, kubectl rollout status"
    unit: Unit = "s"
    budget = Budget(limit=1.05, of="ratio")
    rounds = 5

    async def measure(self, place: Path, rounds: int) -> Samples:
        """One round: a company, kubectl, the bad release once more, the bot.

        Nodes are as quick as those of a quick real cluster: slower ones would only help us.
        """
        ours, peer = [], []
        pace = busy(KubeletTimings())
        for number in range(rounds):
            company = Company(folder=place / str(number), layout="rolling", pace=pace)
            async with company:
                shell = operators_shell(company)
                journey = await with_bad_release(company)
                peer.append(await timed_script("rolling.sh", shell))
                await company.release()
                ours.append(await _bot(journey))
        return Samples(ours=tuple(ours), peer=tuple(peer))


async def _bot(journey: Journey) -> float:
    await journey.until_declared("ana")
    card = await journey.plan_card()
    start = time.perf_counter()
    await journey.approve("ben", card)
    await journey.text(VERIFIED)
    return time.perf_counter() - start
