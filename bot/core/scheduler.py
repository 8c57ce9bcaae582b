"""The scheduler port over APScheduler."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import structlog
from apscheduler.executors.asyncio import AsyncIOExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from bot.core.errors import RollbackBotError

# Calls that are due at some time. Jobs carry a name only; what is due is asked of the store.

Job = Callable[[], Awaitable[None]]


class Scheduler(Protocol):
    """Jobs live in memory and are made anew at every start."""

    def start(self) -> None:
        """Begin to fire."""

    async def stop(self) -> None:
        """Stop firing and wait for running jobs."""

    def every(self, name: str, interval: timedelta, job: Job) -> None:
        """Run a job repeatedly, never twice at once; a known name is replaced."""

    def at(self, name: str, when: datetime, job: Job) -> None:
        """Run a job once; a moment that has passed means now; a known name is replaced."""

    def cancel(self, name: str) -> None:
        """Forget a job; harmless when there is none."""


log = structlog.get_logger()


class ApScheduler:
    """Jobs in memory, remade at start-up from the store; times in UTC."""

    def __init__(self) -> None:
        self._scheduler = AsyncIOScheduler(
            timezone=UTC,
            executors={"default": AsyncIOExecutor()},
            # A late job still runs, once: what is due is asked of the store, not of the schedule.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._running: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        """Begin to fire."""
        self._scheduler.start()

    async def stop(self) -> None:
        """Stop firing and end running jobs: what they owe is found again in the store."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def every(self, name: str, interval: timedelta, job: Job) -> None:
        """Run a job repeatedly, the first time one interval from now."""
        trigger = IntervalTrigger(seconds=interval.total_seconds())
        self._add(name, trigger, job)

    def at(self, name: str, when: datetime, job: Job) -> None:
        """Run a job once; a moment that has passed means now."""
        # Re-set from within its own run, a job must not be skipped for running already.
        self._add(name, DateTrigger(max(when, datetime.now(UTC))), job, instances=10)

    def cancel(self, name: str) -> None:
        """Forget a job; harmless when there is none."""
        try:
            self._scheduler.remove_job(name)
        except JobLookupError:
            return

    def _add(self, name: str, trigger: Any, job: Job, *, instances: int = 1) -> None:
        self._scheduler.add_job(
            self._run,
            trigger,
            args=[name, job],
            id=name,
            name=name,
            replace_existing=True,
            max_instances=instances,
        )

    async def _run(self, name: str, job: Job) -> None:
        """Run a job so that its failure is logged in our words and never ends the schedule."""
        work: Coroutine[Any, Any, None] = _guarded(name, job)
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await asyncio.wait({task})


async def _guarded(name: str, job: Job) -> None:
    try:
        await job()
    except RollbackBotError as error:
        log.warning("scheduled job failed", job=name, error=str(error))
    except Exception:
        log.exception("scheduled job failed unexpectedly", job=name)
