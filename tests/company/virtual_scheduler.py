"""The scheduler port on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any

import structlog

from bot.core.clock import Clock
from bot.core.scheduler import Job

log = structlog.get_logger()


class VirtualScheduler:
    """Implements ``bot.core.scheduler.Scheduler``; a timer is a task that sleeps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started = asyncio.Event()
        self._timers: dict[str, asyncio.Task[None]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._stopped = False

    def start(self) -> None:
        """Begin to fire."""
        self._started.set()

    async def stop(self) -> None:
        """Stop firing and end running jobs."""
        self._stopped = True
        tasks = [*self._timers.values(), *self._running]
        self._timers = {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def every(self, name: str, interval: timedelta, job: Job) -> None:
        """Run a job repeatedly, the first time one interval from now."""
        if not self._stopped:
            self._set(name, self._repeat(name, self._clock.now(), interval, job))

    def at(self, name: str, when: datetime, job: Job) -> None:
        """Run a job once; a moment that has passed means now."""
        if not self._stopped:
            self._set(name, self._once(name, when, job))

    def cancel(self, name: str) -> None:
        """Forget a job; a run that has begun goes on."""
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _set(self, name: str, timer: Coroutine[Any, Any, None]) -> None:
        self.cancel(name)
        self._timers[name] = asyncio.create_task(timer, name=f"timer {name}")

    async def _once(self, name: str, when: datetime, job: Job) -> None:
        await self._started.wait()
        await self._clock.sleep((when - self._clock.now()).total_seconds())
        # A timer that has fired is no timer any more: the job may set it anew.
        self._timers.pop(name, None)
        self._run(name, job)

    async def _repeat(self, name: str, due: datetime, interval: timedelta, job: Job) -> None:
        await self._started.wait()
        running: asyncio.Task[None] | None = None
        while True:
            due += interval
            await self._clock.sleep((due - self._clock.now()).total_seconds())
            if running is None or running.done():
                running = self._run(name, job)

    def _run(self, name: str, job: Job) -> asyncio.Task[None]:
        async def guarded() -> None:
            try:
                await job()
            except Exception:
                log.exception("scheduled job failed", job=name)

        task = asyncio.create_task(guarded(), name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task
