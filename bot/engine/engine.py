"""Carries out what open incidents owe: one task an incident, under a lease.

The same loop serves the first run, a retry and a restart, because a duty is derived from the
events alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

import structlog

from bot.core.backoff import Backoff
from bot.core.errors import LeaseLostError, RefusedError, RollbackBotError, TemporaryError
from bot.core.values import Value
from bot.engine.context import Context
from bot.incident.duties import Duty, owed
from bot.incident.events import Noted
from bot.incident.state import Incident
from bot.store.values import IncidentHead, Lease

log = structlog.get_logger()

Phase = Callable[[Context, Incident, Lease], Awaitable[object]]

LEASE_TTL = timedelta(seconds=30)
RENEW_SECONDS = 10.0
BACKOFF = Backoff(first=1.0, longest=60.0)
REFUSED_FOR_GOOD = 3
"""A duty that is refused so often in a row is not somebody else's: people have to know why."""


@dataclass
class _Driver:
    """The task of one incident, and whether something happened since it last looked."""

    task: asyncio.Task[None] | None = None
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Engine:
    """Drives incidents until nothing is owed."""

    def __init__(self, context: Context, phases: Mapping[Duty, Phase], *, owner: str) -> None:
        self._context = context
        self._phases = phases
        self._owner = owner
        self._drivers: dict[str, _Driver] = {}
        self._stopping = False

    async def reconcile(self) -> None:
        """Wake open incidents that owe something: at start-up, and for other processes' sake."""
        for head in await self._context.store.incidents(open_only=True, limit=10_000):
            if await self._may_owe(head):
                self.wake(head.id)

    async def _may_owe(self, head: IncidentHead) -> bool:
        try:
            return owed(await self._context.journal.at(head)) is not None
        except Exception:
            # What is wrong with this incident is said by its own task, and stops no other.
            return True

    def wake(self, incident_id: str) -> None:
        """Look at an incident soon; harmless when nothing is owed."""
        if self._stopping:
            return
        driver = self._drivers.setdefault(incident_id, _Driver())
        driver.woken.set()
        if driver.task is None or driver.task.done():
            driver.task = asyncio.create_task(
                self._drive(incident_id, driver), name=f"drive {incident_id}"
            )

    async def stop(self) -> None:
        """Stop all work at once: whatever is interrupted is resumed from the events."""
        self._stopping = True
        tasks = [d.task for d in self._drivers.values() if d.task and not d.task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _drive(self, incident_id: str, driver: _Driver) -> None:
        try:
            await self._look(incident_id, driver)
        except LeaseLostError:
            log.warning("lease lost", incident=incident_id)
        except RollbackBotError as error:
            # The store does not answer, so nothing can be noted either: reconcile looks again.
            log.warning("incident left for now", incident=incident_id, error=str(error))
        except Exception:
            # A defect that cannot even be noted; it must neither go unseen nor end the process.
            log.exception("incident left after an unexpected error", incident=incident_id)

    async def _look(self, incident_id: str, driver: _Driver) -> None:
        """Work while something is owed and nobody else does."""
        while driver.woken.is_set():
            driver.woken.clear()
            incident = await self._context.journal.load(incident_id)
            if owed(incident) is None:
                continue
            lease = await self._acquire(incident_id)
            if lease is None:
                log.debug("another process works on it", incident=incident_id)
                return
            renewal = asyncio.create_task(self._renew(incident_id))
            try:
                await self._work(incident_id, lease)
            finally:
                renewal.cancel()
                await asyncio.gather(renewal, return_exceptions=True)
                await self._context.store.release(lease)
        self._drivers.pop(incident_id, None)

    async def _acquire(self, incident_id: str) -> Lease | None:
        return await self._context.store.acquire(
            f"incident:{incident_id}",
            owner=self._owner,
            ttl=LEASE_TTL,
            now=self._context.clock.now(),
        )

    async def _renew(self, incident_id: str) -> None:
        while True:
            # By the clock that dates the lease: another one could let it expire unnoticed.
            await self._context.clock.sleep(RENEW_SECONDS)
            try:
                await self._acquire(incident_id)
            except RollbackBotError as error:
                # Two more tries fit in before it expires.
                log.warning("lease not renewed", incident=incident_id, error=str(error))

    async def _work(self, incident_id: str, lease: Lease) -> None:
        """Carry out duties until none is owed; a failing one is tried again, ever more slowly."""
        failures = 0
        while True:
            incident = await self._context.journal.load(incident_id)
            duty = owed(incident)
            if duty is None:
                return
            try:
                await self._phases[duty](self._context, incident, lease)
                await self._clear_note(incident, duty, lease)
                failures = 0
            except LeaseLostError:
                raise
            except RefusedError as error:
                # Somebody was faster and the duty is no longer the same: look again.
                failures += 1
                if failures >= REFUSED_FOR_GOOD:
                    await self._note(incident, duty, error, lease)
                await self._context.clock.sleep(BACKOFF.pause(failures))
            except Exception as error:
                failures += 1
                await self._note(incident, duty, error, lease)
                await self._context.clock.sleep(BACKOFF.pause(failures))

    async def _note(self, incident: Incident, duty: Duty, error: Exception, lease: Lease) -> None:
        """Say on the card what holds the incident up."""
        if isinstance(error, RollbackBotError):
            what, remedy = error.what, error.remedy
            log.warning("duty failed", incident=incident.id, duty=duty, error=str(error))
        else:
            what = f"An unexpected error ({type(error).__name__}) interrupted “{duty.value}”."
            remedy = "The bot tries again; its log has the details."
            log.exception("duty failed unexpectedly", incident=incident.id, duty=duty)
        if isinstance(error, TemporaryError) and not remedy:
            remedy = "The bot keeps trying."
        noted = Noted(subject=_subject(duty), what=what, remedy=remedy)
        if noted not in incident.notes:
            await self._context.journal.add(incident.id, noted, lease=lease)

    async def _clear_note(self, incident: Incident, duty: Duty, lease: Lease) -> None:
        """What held the incident up is over, whichever process said so on the card."""
        if _subject(duty) in {note.subject for note in incident.notes}:
            over = Noted(subject=_subject(duty), what="")
            await self._context.journal.add(incident.id, over, lease=lease)


def _subject(duty: Duty) -> str:
    return f"duty {duty.value}"


# One look at every document of a kind: what the scheduler calls, where nothing may end it.

V = TypeVar("V", bound=Value)


async def each(
    context: Context, kind: str, model: type[V], look: Callable[[Context, V], Awaitable[None]]
) -> None:
    """Look at every document of this kind, one behind the other.

    Whatever one of them causes stops no other: it is logged, and looked at again next time.
    """
    for document in await context.store.documents(kind):
        try:
            await look(context, model.model_validate(document.body))
        except RollbackBotError as error:
            log.warning("not looked after", kind=kind, document=document.id, error=str(error))
        except Exception:
            # A defect, or a document that another version of the bot has written.
            log.exception("not looked after", kind=kind, document=document.id)
