"""Which of the product's files three journeys pass, traced in the bot of a company on loopback."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from benchmarks.companies import busy, with_bad_release
from sandbox.bot_process import BotProcess
from sandbox.company import ROOT, Company
from sandbox.journey import Journey

TRACED = Path(__file__).with_name("traced.py")
EVERY = 25.0
"""Seconds between two updates of an incident: the plan is on the table well before the first."""


@dataclass(frozen=True, kw_only=True)
class Passage:
    """What a journey passed."""

    files: frozenset[str]
    hops: int
    """From file to file."""


class Call(NamedTuple):
    """One call of a function of the product, as ``traced.py`` writes it down."""

    at: float
    file: str
    origin: int


class Origin(NamedTuple):
    """What set calls off: nothing in particular (number 0), an event of Slack's, or a job."""

    at: float
    name: str

    @property
    def is_job(self) -> bool:
        """Whether the scheduler did."""
        return self.name not in {"", "event"}


class Sent(NamedTuple):
    """A request that the bot sent."""

    at: float
    method: str
    origin: int


@dataclass(frozen=True, kw_only=True)
class Wires:
    """When the company saw what, in seconds of the system's clock."""

    incident_id: str
    typed: float
    """``/rollback``."""
    card: float
    """The plan card was posted."""
    posts: tuple[float, ...]
    """Every message of the bot."""
    update: float
    """The stakeholders' channel got its update."""
    clicked: float
    """Approve."""
    patched: float
    """The first change of the cluster arrived."""


@dataclass(frozen=True, kw_only=True)
class Journeys:
    """The three. Jobs of the scheduler that have nothing to do with them are left out."""

    approve: Passage
    """From the click on Approve to the patch, with what is sent at the same time."""
    click: Passage
    """The part of it that the click itself set off, up to the patch."""
    plan: Passage
    """From ``/rollback`` to the plan card, with everything that people fill in between."""
    update: Passage
    """From the beat to its ``chat.postMessage``."""


async def trace(place: Path) -> Journeys:
    """Play an incident up to the patch, in an empty folder.

    Raises RuntimeError when nothing was traced.
    """
    out = place / "trace.json"
    pace = replace(busy(), updates=EVERY)
    async with Company(folder=place / "company", pace=pace) as company:
        program = (sys.executable, "-P", str(TRACED), str(ROOT), str(out.resolve()))
        company.bot = BotProcess(
            folder=company.folder, environment=company.bot.environment, program=program
        )
        try:
            wires = await _play(company)
        finally:
            await company.bot.stop()
    found = json.loads(out.read_text())
    calls = [Call(*one) for one in found["calls"]]
    origins = [Origin(*one) for one in found["origins"]]
    sent = [Sent(*one) for one in found["sent"]]
    undisturbed = [one for one in calls if not origins[one.origin].is_job]
    approve = _between(undisturbed, wires.clicked, wires.patched)
    return Journeys(
        approve=_passage(approve),
        click=_passage(_of_the_click(approve, origins, sent, wires)),
        plan=_passage(_between(undisturbed, wires.typed, wires.card)),
        update=_passage(_of_the_beat(calls, origins, wires)),
    )


async def _play(company: Company) -> Wires:
    journey = await with_bad_release(company)
    typed = time.time()
    channel = await journey.until_declared()
    card = await journey.plan_card()
    posted = next(
        call.time
        for call in company.slack.calls
        if call.answer and call.answer.get("ts") == card.ts
    )
    update = await _next_post(journey, "status", after=posted)
    # The journey of the update has come to its end, and the next one is far.
    await asyncio.sleep(1)
    clicked = time.time()
    await journey.approve(card=card)
    patched = await journey.until(lambda: _patched(company, clicked))
    return Wires(
        incident_id=channel.name[: len("inc-2026-001")].upper(),
        typed=typed,
        card=posted,
        posts=tuple(call.time for call in company.slack.calls if call.method == "chat.postMessage"),
        update=update,
        clicked=clicked,
        patched=patched,
    )


async def _next_post(journey: Journey, channel: str, *, after: float) -> float:
    """When the channel's first message after this moment came."""

    def found() -> float:
        moments = (float(message.ts) for message in journey.workspace.messages(channel))
        return next((moment for moment in moments if moment > after), 0.0)

    return await journey.until(found)


def _patched(company: Company, since: float) -> float:
    """When the bot's first change of the cluster after this moment arrived; 0 before that."""
    return next(
        (
            request.at.timestamp()
            for request in company.cluster.server.requests
            if request.user == "rollback-bot"
            and request.verb == "patch"
            and request.mutates
            and request.at.timestamp() >= since
        ),
        0.0,
    )


def _between(calls: Iterable[Call], start: float, end: float) -> list[Call]:
    return [one for one in calls if start <= one.at <= end]


def _of_the_click(
    calls: list[Call], origins: list[Origin], sent: list[Sent], wires: Wires
) -> list[Call]:
    """What the click set off; everything where the patch was sent by something else's work."""
    patch = max(one for one in sent if one.method == "PATCH" and one.at <= wires.patched)
    origin = origins[patch.origin]
    if origin.is_job or origin.at < wires.clicked:
        return calls
    return [one for one in calls if one.origin == patch.origin and one.at <= patch.at]


def _of_the_beat(calls: list[Call], origins: list[Origin], wires: Wires) -> list[Call]:
    """From the moment at which the scheduler ran the incident's job; what sends is no job's."""
    number = max(
        number
        for number, origin in enumerate(origins)
        if wires.incident_id in origin.name and origin.at <= wires.update
    )
    start = origins[number].at
    end = min(post for post in wires.posts if post >= start)
    return [one for one in _between(calls, start, end) if one.origin in {0, number}]


def _passage(calls: Iterable[Call]) -> Passage:
    files = [one.file for one in calls]
    if not files:
        # Zero would keep every budget.
        raise RuntimeError("a journey passed no file of the product: nothing was traced")
    hops = sum(one != other for one, other in pairwise(files))
    return Passage(files=frozenset(files), hops=hops)
