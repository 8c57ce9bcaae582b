"""A small live system: two switches, three replicas, and what is counted about it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlsplit

from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.objects import Cluster, PodAnswer
from bot.clouds.outside import Aws, Commands, Http, HttpAnswer, Secrets
from bot.core.clock import Clock
from bot.engine.world import Evidence, Instance, Observation, Observed, StepState, Strategy, World
from bot.incident.freeze import ClusterObject, Freeze, MarkedObject
from bot.incident.plan import (
    Candidate,
    Milestone,
    Plan,
    Preflight,
    PreflightVerdict,
    Step,
    StepSpec,
)
from bot.judge.counts import Bucket
from bot.metrics.port import Series
from strategies.rolling.candidates import RollingTarget

BAD, GOOD = "v2.1.0", "v2.0.0"


SHOP_OBJECT = ClusterObject(
    kind="Deployment",
    api_version="apps/v1",
    plural="deployments",
    namespace="shop",
    name="checkout",
)


class Hang:
    """Never answers."""


HANG = Hang()


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What users send from a moment on."""

    since: datetime
    per_second: float
    error_rate: float


class Shop:
    """Strategy, step kind, metrics, pods and front door of one service.

    Every call reaches a point named «what it is, about what», for example ``act switch``;
    ``script`` says what goes wrong there, one entry a call.
    """

    name = "rolling"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.released_at = clock.now() - timedelta(minutes=20)
        self.switches = {"switch": BAD, "cache": BAD}
        self.changed_by = ""
        self.log: list[str] = []
        self.script: dict[str, list[Exception | Hang]] = defaultdict(list)
        self._hanging: dict[str, asyncio.Future[None]] = {}
        self.changed_at: datetime | None = None
        self.after = Traffic(since=clock.now(), per_second=10, error_rate=0.0)
        self.later: list[Traffic] = []
        """What users send even later on, oldest first."""
        self.usual = 10.0
        """Requests a second before the release is withdrawn."""
        self.blind: list[tuple[datetime, datetime]] = []
        """When nothing was read."""
        self.sent: list[tuple[str, str, dict[str, str]]] = []
        """Method, path and headers of what was asked at the front door beside GET."""
        self.statuses: dict[str, int] = {}
        """What the front door answers to these, by path; 200 to all others."""
        self.versions: dict[str, str] = {}
        """What single replicas say instead of the release that was switched to."""
        self.health = 200
        self.preflight = PreflightVerdict.PASS
        self.reminders: dict[str, str] = {}
        """What people are told again while a switch stands where it was turned to, by its name."""
        self.mark: str | None = None
        """Of a deploy freeze."""

    def calls(self, point: str) -> int:
        """How often a point was reached."""
        return self.log.count(point)

    async def reach(self, what: str, about: str = "") -> None:
        """Note the call, and go wrong if that was ordered."""
        point = f"{what} {about}".strip()
        self.log.append(point)
        if not self.script[point]:
            return
        ordered = self.script[point].pop(0)
        if isinstance(ordered, Exception):
            raise ordered
        hanging: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._hanging[point] = hanging
        await hanging

    def release(self, point: str) -> None:
        """Let the call that hangs at a point go on."""
        self._hanging.pop(point).set_result(None)

    # -- strategy ------------------------------------------------------------------------------

    async def plan(
        self,
        name: str,
        service: ServiceEntry,
        world: World,
        *,
        target: str | None,
        marked_bad: frozenset[str],
        known_good: Sequence[str],
    ) -> Plan:
        """Turn both switches, then see that nobody uses the bad release."""
        await self.reach("plan")
        to_release = target or GOOD
        verdict = Preflight(name="capacity", verdict=self.preflight, sentence="3 of 3 ready.")
        return Plan(
            service=name,
            strategy=self.name,
            from_release=self.switches["switch"],
            to_release=to_release,
            steps=(
                self._turn("switch", to_release, Milestone.SWITCHED),
                self._turn("cache", to_release, None),
                self._check("drain"),
            ),
            preflights=(verdict,),
            candidates=(Candidate(release=GOOD, detail="revision 1"),),
            observed_at=self._clock.now(),
        )

    async def instances(self, service: ServiceEntry, world: World) -> tuple[Instance, ...]:
        """Three replicas."""
        await self.reach("instances")
        live = self.switches["switch"]
        return tuple(
            Instance(namespace="shop", name=f"checkout-{n}", release=live, ready=True)
            for n in range(3)
        )

    async def evidence(
        self, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        """One log."""
        await self.reach("evidence")
        return (Evidence(name=f"{release}.log", text="ERROR no currency\n"),)

    def _turn(self, name: str, release: str, milestone: Milestone | None) -> Step:
        old = self.switches[name]
        params = {"name": name, "to": release, "from": old}
        back = {"name": name, "to": old, "from": release}
        return Step(
            title=f"Turn {name}",
            action=StepSpec(kind="turn", params=dict(params)),
            expects={name: old},
            inverse=StepSpec(kind="turn", params=dict(back)),
            command=f"turn {name} {release}",
            estimate_seconds=5,
            milestone=milestone,
            reminder=self.reminders.get(name, ""),
        )

    def _check(self, name: str) -> Step:
        return Step(
            title=f"Check {name}",
            action=StepSpec(kind="turn", params={"name": name}),
            expects={},
            inverse=None,
            command=f"check {name}",
            estimate_seconds=5,
            changes=False,
            milestone=Milestone.DRAINED,
        )


class ShopStrategy(Shop, Strategy):
    """The shop as a strategy sees it."""

    settings = RollingTarget
    cost = 50

    async def observe(self, service: ServiceEntry, world: World) -> Observation:
        """What is live."""
        await self.reach("observe")
        return Observation(
            live_release=self.switches["switch"],
            candidates=(Candidate(release=GOOD, detail="revision 1"),),
            released_at=self.released_at,
            summary="Three replicas",
        )


class TurnStep:
    """The only step kind: turn a switch, or look at something."""

    name = "turn"

    def __init__(self, shop: Shop, clock: Clock) -> None:
        self._shop = shop
        self._clock = clock

    async def observe(self, step: Step, world: World) -> Observed:
        """Where the switch stands."""
        name = str(step.action.params["name"])
        await self._shop.reach("observe", name)
        if not step.changes:
            return Observed(state=StepState.BEFORE, summary="nobody uses it")
        found = self._shop.switches[name]
        states = {
            step.action.params["to"]: StepState.AFTER,
            step.action.params["from"]: StepState.BEFORE,
        }
        return Observed(
            state=states.get(found, StepState.OTHER),
            summary=f"{name} is at {found}.",
            facts={name: found},
            changed_by=self._shop.changed_by,
        )

    async def act(self, step: Step, world: World) -> None:
        """Turn it; the answer may be lost after the effect."""
        name = str(step.action.params["name"])
        await self._shop.reach("act", name)
        self._shop.switches[name] = str(step.action.params["to"])
        self._shop.changed_at = self._shop.changed_at or self._clock.now()
        await self._shop.reach("acted", name)

    async def confirm(self, step: Step, world: World) -> str:
        """See that it holds."""
        name = str(step.action.params["name"])
        await self._shop.reach("confirm", name)
        return f"{step.title}: done."


class ShopMetrics:
    """Counts that follow from the traffic alone, so that every reading of a span is the same."""

    def __init__(self, shop: Shop, clock: Clock) -> None:
        self._shop = shop
        self._clock = clock

    async def series(
        self, name: str, service: ServiceEntry, *, start: datetime, end: datetime, seconds: float
    ) -> Series:
        """Consecutive buckets up to the present."""
        await self._shop.reach("series")
        buckets, moment, unread = [], start, []
        while moment < end:
            until = min(moment + timedelta(seconds=seconds), self._clock.now())
            traffic = self._at(moment)
            length = max(0.0, (until - moment).total_seconds())
            if any(begin <= moment < over for begin, over in self._shop.blind):
                length = 0.0
                unread.append(moment)
            requests = round(traffic.per_second * length)
            errors = round(requests * traffic.error_rate)
            buckets.append(Bucket(start=moment, seconds=seconds, requests=requests, errors=errors))
            moment += timedelta(seconds=seconds)
        return Series(buckets=tuple(buckets), latency_ms=80.0, unread=tuple(unread))

    def _at(self, moment: datetime) -> Traffic:
        shop = self._shop
        if moment < shop.released_at:
            return Traffic(since=moment, per_second=shop.usual, error_rate=0.0)
        if shop.changed_at is None or moment < shop.changed_at:
            return Traffic(since=moment, per_second=shop.usual, error_rate=0.2)
        return next((t for t in reversed(shop.later) if t.since <= moment), shop.after)


class ShopFreezer:
    """The mark of a deploy freeze on the shop's one object."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    async def objects(
        self, service: ServiceEntry, strategy: str, world: World
    ) -> tuple[MarkedObject, ...]:
        """The Deployment that every strategy of this shop changes."""
        return (SHOP_OBJECT,)

    async def mark(self, marked: MarkedObject, freeze: Freeze, world: World) -> None:
        """Write it."""
        await self._shop.reach("mark")
        self._shop.mark = freeze.text
        await self._shop.reach("marked")

    async def unmark(self, marked: MarkedObject, freeze: Freeze, world: World) -> None:
        """Take it away."""
        await self._shop.reach("unmark")
        if self._shop.mark == freeze.text:
            self._shop.mark = None


class ShopDoors:
    """The front door that users know, and each replica's own."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    async def get(self, url: str, *, timeout_seconds: float = 5.0) -> HttpAnswer:
        """Health and version as a user sees them."""
        path = url.rpartition("/")[2]
        await self._shop.reach(f"GET {path}")
        if path == "health":
            return HttpAnswer(status=self._shop.health, text="")
        return HttpAnswer(status=200, text=f'{{"version": "{self._shop.switches["switch"]}"}}')

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_seconds: float = 10.0,
    ) -> HttpAnswer:
        """A probe, or a request of a smoke test."""
        path = urlsplit(url).path
        self._shop.sent.append((method, path, dict(headers or {})))
        await self._shop.reach(f"{method} {path}")
        return HttpAnswer(status=self._shop.statuses.get(path, 200), text="{}")

    async def ask_pod(self, namespace: str, pod: str, port: int, path: str) -> PodAnswer:
        """A replica's own version."""
        await self._shop.reach("ask", pod)
        version = self._shop.versions.get(pod, self._shop.switches["switch"])
        return PodAnswer(status=200, text=f'{{"version": "{version}"}}')


class NotThere:
    """A system that this shop does not have."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"the pipeline itself has no business with {name}")


def world_of(shop: Shop, clock: Clock) -> World:
    """The world that the pipeline touches without a step: one question to a pod, and HTTP."""
    doors, nothing = ShopDoors(shop), NotThere()
    return World(
        cluster=cast("Cluster", doors),
        http=cast("Http", doors),
        aws=cast("Aws", nothing),
        commands=cast("Commands", nothing),
        secrets=cast("Secrets", nothing),
        clock=clock,
    )
