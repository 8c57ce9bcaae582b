"""A blue-green rollback by the bot, and by somebody who has the procedure's commands ready."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.companies import busy, operators_shell, with_bad_release
from benchmarks.model import Budget, Samples, Unit
from benchmarks.processes import timed_script
from sandbox.company import Company
from sandbox.journey import Journey
from sandbox.shop import manifests

CONFIRMED = "answers with v2.0.0"
"""What the card says of a switch once users were asked."""


class BlueGreen:
    """From the click on Approve to the card that says: users reach the old release."""

    name = "blue-green"
    what = "blue-green: approval to traffic moved, and confirmed on the card in Slack"
    peer = "the procedure's kubectl and curl commands as a script"
    unit: Unit = "s"
    budget = Budget(limit=0.5, of="ratio")
    rounds = 7

    async def measure(self, place: Path, rounds: int) -> Samples:
        """One round: a company, the script, the switch taken back, the bot."""
        ours, peer = [], []
        for number in range(rounds):
            async with Company(folder=place / str(number), pace=busy()) as company:
                shell = operators_shell(company)
                journey = await with_bad_release(company)
                await _script(company, shell)  # kubectl learns what the cluster serves, once
                peer.append(await _script(company, shell))
                ours.append(await _bot(journey))
        return Samples(ours=tuple(ours), peer=tuple(peer))


async def _script(company: Company, shell: dict[str, str]) -> float:
    seconds = await timed_script("blue_green.sh", shell)
    company.cluster.apply(manifests.checkout_service("green"))
    return seconds


async def _bot(journey: Journey) -> float:
    await journey.until_declared("ana")
    card = await journey.plan_card()
    start = time.perf_counter()
    await journey.approve("ben", card)
    await journey.text(CONFIRMED)
    return time.perf_counter() - start
