"""The story of the demo, from a bad release to the report."""

from __future__ import annotations

import asyncio
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

from sandbox.cluster.node.timings import DEMO
from sandbox.company import ROOT, Company, Pace
from sandbox.demo.figures import Moments, summary
from sandbox.demo.screen import Screen
from sandbox.journey import Journey

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
)
OUTPUT = ROOT / "build" / "demo"
PROVEN = "recovery proven"
VERDICTS = (PROVEN, "recovery not proven", "not recovered")
"""How the message begins that the bot posts when it has judged."""
BASELINE_REQUESTS = 1000
BAD_REQUESTS = 500
READING = 2.5
"""Seconds that people take to read what is in front of them before they click."""


def main() -> None:
    """Play; exit code 0 only when the recovery was proven and Slack took everything it was sent."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    sys.exit(asyncio.run(play(OUTPUT)))


async def play(folder: Path) -> int:
    """The whole story; returns the exit code."""
    company = Company(folder=folder, pace=PACE)
    screen = Screen(company.slack.workspace)
    screen.scene("A company on this machine: a Slack, a Kubernetes cluster, a shop with customers")
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
        report = await _save_files(company, journey, folder)
    screen.table("Measured from outside the bot", summary(company, moments))
    screen.say(f"\nThe report: {report}", style="bold")
    for refusal in company.slack.refusals:
        screen.say(f"Slack refused {refusal.where}: {refusal.code}", style="bold red")
    if not moments.proven or company.slack.refusals:
        said = "Recovery was proven." if moments.proven else "Recovery was NOT proven."
        screen.say(f"{said} The demo has failed.", style="bold red")
        return 1
    screen.say("Recovery was proven.", style="bold green")
    return 0


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
    # The closing messages should be on the screen before the figures are.
    await asyncio.sleep(1.0)
    return moments


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


async def _save_files(company: Company, journey: Journey, folder: Path) -> Path:
    report = folder / "report.md"
    for file in company.slack.workspace.files:
        (folder / file.name).write_bytes(bytes(file.content))
        if file.name.endswith("-report.md"):
            report = folder / file.name
    return report.relative_to(Path.cwd()) if report.is_relative_to(Path.cwd()) else report


def _now() -> datetime:
    return datetime.now(UTC)
