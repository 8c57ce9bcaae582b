"""Seven days with a hundred incidents: what people do, and when the bot is killed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Any, TypeVar

from bot.approval import approve
from bot.catalog.catalog import Catalog
from bot.core.errors import DuplicateRequestError, PermanentError, RefusedError
from bot.core.values import Actor
from bot.incident import events as e
from bot.incident.assessment import Assessment, Thresholds, decide
from bot.incident.state import Incident, Phase
from bot.paperwork import conclude
from tests.company.deeds import CONCLUSION, DECISION, FIGURES
from tests.company.harness import Process
from tests.company.shop import BAD, Traffic
from tests.company.week_company import LargeCompany

T = TypeVar("T")

MINUTE = timedelta(minutes=1)
ANA = Actor(id="U0ANA000001", name="ana")
BEN = Actor(id="U0BEN000002", name="ben")


class Ending(StrEnum):
    """How an incident goes."""

    RECOVERED = "recovered"
    REPLANNED = "not recovered, then planned again"
    ABANDONED = "resolved without a rollback"
    LEFT_OPEN = "left open"
    RELAPSED = "relapsed"


@dataclass(kw_only=True)
class Story:
    """One incident as people know it."""

    number: int
    starts: datetime
    ending: Ending
    lasts: timedelta
    """How long it is left alone before people end it."""
    words: bool = False
    """Whether somebody adds words for an update."""
    words_at: datetime | None = None
    """When these words were there to be told."""
    id: str = ""
    service: str = ""
    over: bool = False
    judged: int = 0
    """How often a rollback was judged."""
    readers: list[str] = field(default_factory=list)
    """Places beside the incident's channel where every update is read."""
    spans: list[list[datetime]] = field(default_factory=list)
    """When it was open: from its declaration to its resolution, and again after a relapse."""

    @property
    def said(self) -> str:
        """What the words are."""
        return f"Words of story {self.number}"

    def __str__(self) -> str:
        return f"{self.id or '(not declared)'} ({self.service}, {self.ending.value})"


@dataclass(kw_only=True)
class Outage:
    """A span without the bot: from its death until the next process had started."""

    start: datetime
    end: datetime


class Week:
    """Plays the stories, and kills the bot now and then."""

    def __init__(self, company: LargeCompany, stories: list[Story], random: Random) -> None:
        self.company = company
        self.stories = stories
        self.outages: list[Outage] = []
        self._random = random
        self._bot: Process | None = None
        self._works = asyncio.Event()

    async def play(self, *, kills: list[tuple[datetime, timedelta]], until: datetime) -> None:
        """Let time pass; raises whatever went wrong in a story."""
        await self._start()
        tasks = [asyncio.create_task(self._play(story), name=str(story)) for story in self.stories]
        tasks.append(asyncio.create_task(self._kill(kills), name="kills"))
        await self.company.clock.advance_to(until)
        await asyncio.gather(*(task for task in tasks if task.done()))
        stuck = [task for task in tasks if not task.done()]
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        unfinished = [
            f"{story} is {self._stands(story)}" for story in self.stories if not story.over
        ]
        assert not unfinished, f"not at their end by {until}: {'; '.join(unfinished)}"

    def _stands(self, story: Story) -> str:
        incident = self.company.incidents.get(story.id)
        return f"{incident.phase.value} since {incident.changed_at}" if incident else "unknown"

    # -- the bot's deaths ----------------------------------------------------------------------

    async def _start(self) -> None:
        bot = await self.company.start_bot()
        for story in self.stories:
            if story.id and not story.over:
                # What the last process wrote when it died has been told to nobody.
                self.company.saw(await bot.journal.load(story.id))
        self._bot = bot
        self._works.set()

    async def _kill(self, kills: list[tuple[datetime, timedelta]]) -> None:
        clock = self.company.clock
        for moment, downtime in kills:
            await self._until(moment)
            bot = self._bot
            assert bot is not None
            await self._die(bot)
            died = clock.now()
            self._works.clear()
            await bot.kill()
            await clock.sleep(downtime.total_seconds())
            await self._start()
            self.outages.append(Outage(start=died, end=clock.now()))

    async def _die(self, bot: Process) -> None:
        """At once, or at some point of what it does next, if it does anything soon."""
        point = self._random.choice(
            ("now", "before append", "after append", "before call", "after call", "transaction")
        )
        if point == "now":
            return
        if point == "transaction":
            point = self._random.choice(("before transaction", "after transaction"))
        bot.life.die_at(point, bot.life.counts.get(point, 0) + self._random.randint(1, 12))
        for _ in range(600):
            if not bot.life.alive:
                return
            await self.company.clock.sleep(1)

    # -- people --------------------------------------------------------------------------------

    async def _play(self, story: Story) -> None:
        await self._until(story.starts)
        story.service = self._random.choice(self._idle_services())
        story.readers = readers_of(self.company.catalog, story.service)
        live = self.company.services.release(story.service)
        if story.ending is Ending.LEFT_OPEN:
            live.script["plan"] = [PermanentError("Nowhere to go.")] * 20
        incident = await self._declare(story)
        if story.words:
            await self._pause(3, 7)
            await self._add_words(story)
        match story.ending:
            case Ending.LEFT_OPEN:
                pass
            case Ending.ABANDONED:
                await self._phase(incident, Phase.AWAITING_APPROVAL)
            case Ending.RECOVERED | Ending.RELAPSED:
                await self._roll_back(story)
                await self._phase(incident, Phase.RECOVERED)
                story.judged = 1
            case Ending.REPLANNED:
                live.after = Traffic(since=self.company.clock.now(), per_second=10, error_rate=0.2)
                await self._roll_back(story)
                await self._phase(incident, Phase.NOT_RECOVERED)
                await self._pause(2, 9)
                await self._plan_again(story, "v1.9.0")
                now = self.company.clock.now()
                live.later.append(Traffic(since=now, per_second=10, error_rate=0.0))
                await self._roll_back(story)
                await self._phase(incident, Phase.RECOVERED)
                story.judged = 2
        await self._sleep(story.lasts)
        await self._resolve(story)
        if story.ending is Ending.RELAPSED:
            await self._pause(2, 8)
            live.later.append(
                Traffic(since=self.company.clock.now(), per_second=10, error_rate=0.3)
            )
            await self._phase(incident, Phase.NOT_RECOVERED)
            relapse = self.company.incidents[incident.id].relapses[-1]
            story.spans.append([relapse.at])
            await self._sleep(story.lasts)
            await self._resolve(story)
        story.over = True

    def _idle_services(self) -> list[str]:
        busy = {story.service for story in self.stories if not story.over}
        return sorted(set(self.company.catalog.services) - busy)

    async def _declare(self, story: Story) -> Incident:
        assessment = Assessment(service=story.service, figures=FIGURES, description="Errors")
        declared = e.Declared(
            service=story.service,
            bad_release=BAD,
            assessment=assessment,
            verdict=decide(assessment, Thresholds()),
            decision=DECISION,
            by=ANA,
            asked_in="C0OPS",
            assessed_at=self.company.clock.now(),
        )

        async def work(bot: Process) -> Incident:
            return await bot.journal.declare(declared, request_id=f"story/{story.number}")

        incident = await self._do(work)
        if incident is None:
            # It was written down, and the answer died with the process.
            bot = await self._living()
            (head,) = await bot.store.incidents(service=story.service, open_only=True)
            incident = await bot.journal.load(head.id)
            self.company.saw(incident)
        story.id = incident.id
        story.spans.append([incident.opened_at])
        return incident

    async def _add_words(self, story: Story) -> None:
        await self._do(
            lambda bot: conclude.add_words(
                bot.context,
                story.id,
                text=story.said,
                actor=ANA,
                request_id=f"words/{story.number}",
            )
        )
        story.words_at = self.company.clock.now()

    async def _roll_back(self, story: Story) -> None:
        incident = await self._phase_of(story, Phase.AWAITING_APPROVAL)
        await self._pause(1, 8)
        while True:
            incident = self.company.incidents[incident.id]
            plan = incident.plan
            assert plan is not None
            request = f"approve/{story.number}/{incident.seq}"

            async def click(bot: Process, plan_hash: str = plan.hash, name: str = request) -> Any:
                return await approve.approve(
                    bot.context, story.id, plan_hash=plan_hash, actor=BEN, request_id=name
                )

            try:
                await self._do(click)
            except RefusedError:
                # The plan expired while nobody could click; people read the next one first.
                await self._pause(1, 2)
                await self._phase_of(story, Phase.AWAITING_APPROVAL)
            else:
                return

    async def _plan_again(self, story: Story, target: str) -> None:
        await self._do(
            lambda bot: approve.request_plan(
                bot.context,
                story.id,
                actor=ANA,
                target=target,
                request_id=f"plan/{story.number}",
            )
        )

    async def _resolve(self, story: Story) -> None:
        request = f"resolve/{story.number}/{len(story.spans)}"
        while True:
            try:
                await self._do(
                    lambda bot: conclude.resolve(
                        bot.context, story.id, conclusion=CONCLUSION, actor=BEN, request_id=request
                    )
                )
                break
            except RefusedError:
                # The plan has just expired, and the next one is being made.
                await self._pause(1, 2)
        resolved = await self._until_it_is(story, lambda i: i.resolved_at is not None)
        assert resolved.resolved_at is not None
        story.spans[-1].append(resolved.resolved_at)
        await self._until_it_is(story, lambda i: i.report is not None)

    # -- waiting -------------------------------------------------------------------------------

    async def _living(self) -> Process:
        await self._works.wait()
        assert self._bot is not None
        return self._bot

    async def _do(self, work: Callable[[Process], Awaitable[T]]) -> T | None:
        """Have the bot do something, again when it died of it; None when it had been done."""
        while True:
            bot = await self._living()
            try:
                return await work(bot)
            except asyncio.CancelledError:
                if bot.life.alive:
                    raise
                await self.company.clock.sleep(30)
            except DuplicateRequestError:
                return None

    async def _phase(self, incident: Incident, phase: Phase) -> Incident:
        story = next(s for s in self.stories if s.id == incident.id)
        return await self._until_it_is(story, lambda i: i.phase is phase)

    async def _phase_of(self, story: Story, phase: Phase) -> Incident:
        return await self._until_it_is(story, lambda i: i.phase is phase)

    async def _until_it_is(self, story: Story, condition: Callable[[Incident], Any]) -> Incident:
        """The incident's state once it fulfils a condition."""
        while not condition(self.company.incidents[story.id]):
            await self.company.news()
        return self.company.incidents[story.id]

    async def _until(self, moment: datetime) -> None:
        await self.company.clock.sleep((moment - self.company.clock.now()).total_seconds())

    async def _sleep(self, span: timedelta) -> None:
        await self.company.clock.sleep(span.total_seconds())

    async def _pause(self, least: int, most: int) -> None:
        await self._sleep(MINUTE * self._random.uniform(least, most))


def readers_of(catalog: Catalog, service: str) -> list[str]:
    """Where every update of a service is read beside its incident's channel."""
    channels = [*catalog.updates.channels, *catalog.services[service].stakeholder_channels]
    boxes = [
        f"email:{name}"
        for name, entry in catalog.destinations.items()
        if entry.kind == "email" and (not entry.services or service in entry.services)
    ]
    return [*(f"slack:{one}" for one in channels), *boxes]
