"""The story of the demo, from a bad release to the report."""

from __future__ import annotations

import asyncio
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

from sandbox.catalog import LOG_IN, Pace
from sandbox.cluster.node.timings import DEMO
from sandbox.company import ROOT, Company
from sandbox.demo.figures import Moments, summary
from sandbox.demo.files import documents, save_files
from sandbox.demo.outside import Readers
from sandbox.demo.screen import Screen
from sandbox.journey import Journey
from sandbox.neighbours import EVERYBODY

PACE = Pace(
    nodes=DEMO,
    requests_per_second=60,
    scrape=1.0,
    live_window=6.0,
    baseline_window=120.0,
    bucket=5.0,
    checkpoints=(5.0, 15.0, 30.0),
    # Production judges minutes of traffic; half a minute can prove a limit of one per cent.
    margin=0.01,
    updates=20.0,
    drain=15.0,
    watch_after=3600.0,
)
OUTPUT = ROOT / "build" / "demo"
PROVEN = "recovery proven"
VERDICTS = (PROVEN, "recovery not proven", "not recovered")
"""How the message begins that the bot posts when it has judged."""
BASELINE_REQUESTS = 800
BAD_REQUESTS = 420
READING = 2.5
"""Seconds that people take to read what is in front of them before they click."""


def main() -> None:
    """Play; exit code 0 only when the recovery was proven and nobody refused anything."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    sys.exit(asyncio.run(play(OUTPUT)))


async def play(folder: Path) -> int:
    """The whole story; returns the exit code."""
    company = Company(
        folder=folder,
        pace=PACE,
        neighbours=EVERYBODY,
        service_changes={"public_name": "Checkout", "smoke_tests": [LOG_IN]},
    )
    screen = Screen(company.slack.workspace, Readers(company.around))
    screen.scene("A company on this machine: its Slack, its cluster, its shop, its customers")
    async with company:
        journey = Journey(company, patience=60)
        screen.say("checkout v2.0.0 serves on three blue pods; the customers send 60 requests/s.")
        await company.start_bot()
        screen.say("rollback-bot runs as its own process and has begun to measure what is normal.")
        await company.measured(BASELINE_REQUESTS)
        following = asyncio.create_task(screen.follow("status"))
        try:
            moments = await _incident(company, journey, screen)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        screen.show_news("status")
        screen.scene("A pipeline asks whether it may deploy checkout")
        frozen = await company.bot.answer("frozen", "checkout")
        screen.say("$ rollback-bot frozen checkout", style="bold")
        screen.say(f"{frozen.said}\n(exit code {frozen.code}: a pipeline stops here)")
        save_files(company, folder)
    screen.table("Measured from outside the bot", summary(company, moments))
    screen.table("To read", documents(folder))
    return _ending(screen, moments, company.refusals)


def _ending(screen: Screen, moments: Moments, refusals: list[str]) -> int:
    """Say how it went; returns the exit code."""
    screen.say("")
    for refusal in refusals:
        screen.say(refusal, style="bold red")
    said = "Recovery was proven." if moments.proven else "Recovery was NOT proven."
    if moments.proven and not refusals:
        screen.say(f"{said} Nothing was refused.", style="bold green")
        return 0
    screen.say(f"{said} The demo has failed.", style="bold red")
    return 1


async def _incident(company: Company, journey: Journey, screen: Screen) -> Moments:
    screen.scene("CI releases checkout v2.1.0 on green, and one request in eight fails")
    await company.release()
    moments = Moments(released=_now())
    await company.measured(BAD_REQUESTS)
    await _assess(journey, screen, moments)
    await _approve(company, journey, screen, moments)
    screen.scene("The bot proves the recovery: a table, and a verdict with its bounds")
    judged = await journey.message(lambda m: any(word in m.plain for word in VERDICTS))
    moments.judged = _now()
    moments.proven = PROVEN in judged.plain
    await asyncio.sleep(READING)
    screen.scene("Ana concludes the incident")
    await journey.resolve("ana")
    moments.resolved = _now()
    await journey.report()
    await journey.until(lambda: any("ost-mortem" in subject for subject in _subjects(company)))
    # The closing messages should be on the screen before the figures are.
    await asyncio.sleep(1.0)
    return moments


def _subjects(company: Company) -> list[str]:
    return [str(letter.message["Subject"]) for letter in company.around.mail.letters]


async def _assess(journey: Journey, screen: Screen, moments: Moments) -> None:
    screen.scene("Ana types /rollback checkout; the form opens at once and fills itself")
    moments.asked = _now()
    screen.modal("Ana", await journey.open_assessment("ana"))
    await asyncio.sleep(READING)
    screen.say("Ana adds that about 15 % of customers are affected, and submits.")
    await journey.assess("ana")
    screen.modal("Ana", journey.person("ana").view)
    await asyncio.sleep(READING)
    screen.say("Ana fills in the decision record and declares the incident.")
    await journey.declare("ana")
    await journey.until_channel()
    moments.declared = _now()


async def _approve(company: Company, journey: Journey, screen: Screen, moments: Moments) -> None:
    screen.scene("The plan is on the table. Ana asked for it, so she may not approve it")
    card = await journey.plan_card()
    await asyncio.sleep(READING)
    await journey.approve("ana", card)
    refusal = await journey.person("ana").wait_for(
        lambda: next((m for m in journey.person("ana").sees(journey.channel) if m.ephemeral), None)
    )
    if refusal:
        screen.ephemeral("Ana", refusal)
    screen.scene("Ben reads the plan and approves")
    await asyncio.sleep(READING)
    moments.approved = _now()
    await journey.approve("ben")
    await company.cluster.until(lambda: moments.saw_switch(company), timeout=60)


def _now() -> datetime:
    return datetime.now(UTC)
