"""The scheduler's contract: APScheduler in real milliseconds, the tests' own on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from bot.core.clock import Clock, SystemClock
from bot.core.errors import TemporaryError
from bot.core.scheduler import ApScheduler, Job, Scheduler
from tests.company.virtual_clock import VirtualClock
from tests.company.virtual_scheduler import VirtualScheduler

SOON = timedelta(milliseconds=30)
LATER = timedelta(milliseconds=120)
NEVER = timedelta(hours=1)


@dataclass(kw_only=True)
class Bench:
    """A scheduler, its clock, and what its jobs did."""

    scheduler: Scheduler
    clock: Clock
    until: Callable[[Callable[[], bool]], Awaitable[None]]
    runs: list[str] = field(default_factory=list)

    def job(self, name: str) -> Job:
        """A job that leaves its name."""

        async def run() -> None:
            self.runs.append(name)

        return run

    def at(self, name: str, delay: timedelta, job: Job | None = None) -> None:
        """Set a job so far from now."""
        self.scheduler.at(name, self.clock.now() + delay, job or self.job(name))

    async def ran(self, *names: str) -> None:
        """Wait until exactly these jobs have run, in this order."""
        await self.until(lambda: len(self.runs) >= len(names))
        assert self.runs == list(names)


def _real() -> Bench:
    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            # The scheduler tells nobody when a job has run.
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    return Bench(scheduler=ApScheduler(), clock=SystemClock(), until=until)


def _virtual() -> Bench:
    clock = VirtualClock()

    async def until(condition: Callable[[], bool]) -> None:
        await clock.run_until(condition)

    return Bench(scheduler=VirtualScheduler(clock), clock=clock, until=until)


@pytest.fixture(params=[_real, _virtual], ids=["apscheduler", "virtual"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    made: Bench = request.param()
    made.scheduler.start()
    yield made
    await made.scheduler.stop()


async def test_a_job_fires_at_its_time_and_not_before(bench: Bench) -> None:
    due = bench.clock.now() + SOON
    fired = []

    async def note() -> None:
        fired.append(bench.clock.now())

    bench.scheduler.at("once", due, note)
    await bench.until(lambda: bool(fired))
    assert fired[0] >= due


async def test_jobs_fire_in_the_order_in_which_they_are_due(bench: Bench) -> None:
    bench.at("second", LATER)
    bench.at("first", SOON)
    await bench.ran("first", "second")


async def test_a_moment_that_has_passed_means_now(bench: Bench) -> None:
    bench.at("overdue", -timedelta(days=3))
    await bench.ran("overdue")


async def test_a_known_name_is_replaced(bench: Bench) -> None:
    bench.at("beat", SOON, bench.job("old"))
    bench.at("beat", SOON, bench.job("new"))
    bench.at("end", LATER)
    await bench.ran("new", "end")


async def test_a_repeated_job_is_replaced_by_a_single_one_of_its_name(bench: Bench) -> None:
    bench.scheduler.every("beat", SOON, bench.job("every"))
    bench.at("beat", SOON, bench.job("once"))
    bench.at("end", LATER)
    await bench.ran("once", "end")


async def test_a_cancelled_job_never_runs(bench: Bench) -> None:
    bench.at("beat", SOON)
    bench.scheduler.cancel("beat")
    bench.at("end", LATER)
    await bench.ran("end")


async def test_cancelling_what_is_not_there_is_harmless(bench: Bench) -> None:
    bench.scheduler.cancel("never set")
    bench.at("beat", SOON)
    await bench.ran("beat")
    bench.scheduler.cancel("beat")


@pytest.mark.parametrize("error", [TemporaryError("no answer"), ValueError("a defect")])
async def test_a_failing_job_ends_neither_its_own_schedule_nor_others(
    bench: Bench, error: Exception
) -> None:
    async def fail() -> None:
        bench.runs.append("failed")
        raise error

    bench.scheduler.every("broken", SOON, fail)
    await bench.until(lambda: bench.runs.count("failed") >= 2)
    bench.at("other", SOON)
    await bench.until(lambda: "other" in bench.runs)


async def test_a_repeated_job_waits_an_interval_first_and_never_runs_twice_at_once(
    bench: Bench,
) -> None:
    inside: list[int] = []
    begun: list[datetime] = []

    async def slow() -> None:
        begun.append(bench.clock.now())
        inside.append(len(inside) + 1)
        assert len(inside) == 1
        await bench.clock.sleep(SOON.total_seconds() * 2.5)
        inside.clear()
        bench.runs.append("done")

    started = bench.clock.now()
    bench.scheduler.every("slow", SOON, slow)
    await bench.until(lambda: len(bench.runs) >= 3)
    assert begun[0] - started >= SOON - timedelta(milliseconds=2)
    assert all(later - earlier >= SOON * 2 for earlier, later in pairwise(begun))


async def test_a_job_that_sets_itself_anew_is_not_lost(bench: Bench) -> None:
    async def again() -> None:
        bench.runs.append("beat")
        if len(bench.runs) < 5:
            bench.at("beat", timedelta(0), again)
            # What comes after must neither cancel nor delay the new timer.
            await asyncio.sleep(0)

    bench.at("beat", SOON, again)
    await bench.until(lambda: len(bench.runs) >= 5)


async def test_cancelling_does_not_end_a_run_that_has_begun(bench: Bench) -> None:
    async def cancel_myself() -> None:
        bench.scheduler.cancel("beat")
        await bench.clock.sleep(SOON.total_seconds())
        bench.runs.append("finished")

    bench.at("beat", SOON, cancel_myself)
    await bench.ran("finished")


async def test_after_stop_nothing_fires_and_running_jobs_have_ended(bench: Bench) -> None:
    begun = []

    async def endless() -> None:
        begun.append(True)
        try:
            await asyncio.Future()
        finally:
            bench.runs.append("ended")

    bench.at("endless", timedelta(0), endless)
    await bench.until(lambda: bool(begun))
    bench.at("pending", SOON)
    await bench.scheduler.stop()
    bench.at("too late", timedelta(0))
    assert bench.runs == ["ended"]
    await bench.clock.sleep(0)
    assert bench.runs == ["ended"]


@pytest.mark.parametrize("make", [_real, _virtual], ids=["apscheduler", "virtual"])
async def test_what_was_set_before_the_start_fires_after_it(make: Callable[[], Bench]) -> None:
    bench = make()
    bench.at("early", timedelta(0))
    await asyncio.sleep(0)
    assert bench.runs == []
    bench.scheduler.start()
    await bench.ran("early")
    await bench.scheduler.stop()
