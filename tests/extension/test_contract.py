"""The contract that extensions are given finds every promise that a strategy breaks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from bot.catalog.service import ServiceEntry
from bot.catalog.target import Target
from bot.core.errors import WorldMovedError
from bot.engine.contract import BrokenPromiseError, check_strategy
from bot.engine.world import Evidence, Instance, Observation, Observed, StepState, Strategy, World
from bot.incident.plan import Plan, Preflight, PreflightVerdict, Step, StepSpec

FAULTS = {
    "plans by changing": "Observing or planning changed",
    "plans by chance": "another plan each time",
    "blocks": "is blocked",
    "names no kind": "kinds of step that it does not name",
    "begins late": "not before",
    "does nothing": "not after, once it is done",
    "counts": "does more than once",
    "cannot go back": "does not restore",
    "looks away": "does not see that the world moved",
    "overwrites": "acts although the world moved",
}
nothing = cast(Any, None)


class _Release:
    """A way to roll back whose live system is a variable."""

    name = "write"

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.live, self.writes = "v2", 0

    async def observe(self, step: Step, world: World) -> Observed:
        old, new = step.action.params["old"], step.action.params["new"]
        state = {old: StepState.BEFORE, new: StepState.AFTER}.get(self.live, StepState.OTHER)
        if self.fault == "begins late" or (self.fault == "looks away" and self.live == "v3"):
            state = StepState.AFTER
        return Observed(state=state, summary="")

    async def act(self, step: Step, world: World) -> None:
        new = str(step.action.params["new"])
        if self.live not in step.action.params.values() and self.fault != "overwrites":
            raise WorldMovedError("It moved.")
        if self.live != new or self.fault == "counts":
            self.writes += 1
        if self.fault != "does nothing":
            self.live = new

    async def confirm(self, step: Step, world: World) -> str:
        return ""

    async def look(self) -> object:
        kept = self.fault in {"counts", "cannot go back"}
        return (self.live, self.writes if kept else None)

    async def move(self) -> None:
        self.live = "v3"


class _Way(Strategy):
    name = "variable"
    settings = Target

    def __init__(self, release: _Release) -> None:
        self._release, self._fault, self._plans = release, release.fault, 0
        self.steps = () if self._fault == "names no kind" else (release,)

    async def observe(self, service: ServiceEntry, world: World) -> Observation:
        return Observation(live_release=self._release.live, candidates=(), summary="")

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
        self._plans += 1
        there, back = (
            StepSpec(kind="write", params={"old": old, "new": new})
            for old, new in (("v2", "v1"), ("v1", "v2"))
        )
        step = Step(
            title=f"Write {self._plans if self._fault == 'plans by chance' else 'it'}",
            action=there,
            expects={},
            inverse=back,
            command="",
            estimate_seconds=1.0,
        )
        verdict = PreflightVerdict.BLOCK if self._fault == "blocks" else PreflightVerdict.PASS
        if self._fault == "plans by changing":
            self._release.live = "v1"
        return Plan(
            service=name,
            strategy=self.name,
            from_release="v2",
            to_release="v1",
            steps=(step,),
            preflights=(Preflight(name="It", verdict=verdict, sentence=""),),
            observed_at=datetime.now(UTC),
        )

    async def instances(self, service: ServiceEntry, world: World) -> tuple[Instance, ...]:
        return ()

    async def evidence(
        self, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        return ()


async def _check(fault: str) -> None:
    release = _Release(fault)
    way = _Way(release)
    await check_strategy(way, nothing, nothing, live=release.look, move=release.move)


async def test_a_strategy_that_keeps_its_promises_passes() -> None:
    await _check("")


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_broken_promise_is_named(fault: str) -> None:
    with pytest.raises(BrokenPromiseError, match=FAULTS[fault]):
        await _check(fault)
