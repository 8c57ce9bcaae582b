"""Records decisions: events and the deliveries they cause, in one transaction."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from weakref import WeakValueDictionary

import structlog

from bot.core.clock import Clock
from bot.core.errors import ConcurrencyError, NotFoundError
from bot.incident.events import AnyEvent, Declared, Recorded, WordsAdded
from bot.incident.fold import apply, fold
from bot.incident.state import Incident
from bot.incident.transitions import advance
from bot.store.delivery import Delivery
from bot.store.store import Store
from bot.store.values import Attachment, Batch, Document, IncidentHead, Lease

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a decision wants written."""

    events: tuple[AnyEvent, ...]
    attachments: tuple[Attachment, ...] = ()
    documents: tuple[Document, ...] = ()
    """What is remembered because of the events, in the same transaction."""
    closes: bool = False
    reopens: bool = False


@dataclass(frozen=True, kw_only=True)
class Moment:
    """An event with what was known when it was recorded."""

    number: int
    event: AnyEvent
    words: tuple[WordsAdded, ...]
    """Those that waited for the next update before it."""
    after: Incident
    """The state after everything that was recorded together with it."""


class Announcing(Protocol):
    """Says what events entail and who is owed a message because of them; it draws nothing."""

    def entailed(
        self, events: tuple[AnyEvent, ...], after: Incident, now: datetime
    ) -> tuple[AnyEvent, ...]:
        """The events that follow from these, to be written with them."""

    def owed(
        self, before: Incident, events: tuple[AnyEvent, ...], after: Incident
    ) -> tuple[Delivery, ...]:
        """The deliveries that these events cause, in the order people should see them."""


Decide = Callable[[Incident], Decision | None]
"""Looks at the present state; None means that nothing is to be written."""


REMEMBERED = 1000
"""Incidents whose folded state is kept in memory, the ones used last."""


class Journal:
    """The only writer of incidents.

    A decision is made again whenever another writer was faster, so that it always rests on the
    state it is appended to.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        announcer: Announcing,
        changed: Callable[[Incident], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._announcer = announcer
        self._changed = changed
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._folded: OrderedDict[str, Incident] = OrderedDict()
        self._moments: OrderedDict[tuple[str, int, int], Moment] = OrderedDict()

    async def load(self, incident_id: str) -> Incident:
        """The present state; raises NotFoundError for an unknown id.

        Events never change, so the state that was folded last is a sound start: only what came
        after it is read, also when another process wrote it.
        """
        known = self._folded.get(incident_id)
        if known is None:
            return self._remember(fold(incident_id, await self.events(incident_id)))
        for item in await self._store.load(incident_id, after=known.seq):
            known = apply(incident_id, known, item)
        return self._remember(known)

    async def at(self, head: IncidentHead) -> Incident:
        """The state of a listed incident; the store is asked only when there is something new."""
        known = self._folded.get(head.id)
        return known if known and known.seq >= head.seq else await self.load(head.id)

    async def moment(self, incident_id: str, event: int, state: int) -> Moment:
        """Event number ``event``, with the state after event number ``state``.

        What was recorded a moment ago is at hand; anything older is folded anew.
        """
        known = self._moments.get((incident_id, event, state))
        if known is not None:
            return known
        recorded = (await self.events(incident_id))[:state]
        before = fold(incident_id, recorded[: max(1, event - 1)])
        after = before
        for item in recorded[before.seq :]:
            after = apply(incident_id, after, item)
        caused = recorded[event - 1].event
        return self._keep(Moment(number=event, event=caused, words=before.words, after=after))

    def _expect(self, batch: Batch, before: Incident, after: Incident) -> None:
        """Keep what the messages of this batch will be drawn from, in a moment."""
        wanted = {one.source.event for one in batch.deliveries if one.source and one.source.message}
        for number in wanted:
            event = batch.events[number - before.seq - 1]
            self._keep(Moment(number=number, event=event, words=before.words, after=after))

    def _keep(self, moment: Moment) -> Moment:
        self._moments[moment.after.id, moment.number, moment.after.seq] = moment
        if len(self._moments) > REMEMBERED:
            self._moments.popitem(last=False)
        return moment

    def _remember(self, incident: Incident) -> Incident:
        known = self._folded.get(incident.id)
        if known is None or known.seq <= incident.seq:
            self._folded[incident.id] = incident
            self._folded.move_to_end(incident.id)
        if len(self._folded) > REMEMBERED:
            self._folded.popitem(last=False)
        return incident

    async def events(self, incident_id: str) -> tuple[Recorded, ...]:
        """All events; raises NotFoundError for an unknown id."""
        recorded = await self._store.load(incident_id)
        if not recorded:
            raise NotFoundError(
                f"There is no incident {incident_id}.", "`/rollback history` lists them."
            )
        return recorded

    async def declare(
        self, declared: Declared, *, request_id: str, documents: tuple[Document, ...] = ()
    ) -> Incident:
        """Begin an incident.

        Raises RefusedError when the service has an open one, DuplicateRequestError when this
        request has begun one before.
        """
        now = self._clock.now()
        head = await self._store.declare(
            service=declared.service,
            now=now,
            make=lambda _: Batch(events=(declared,), request_id=request_id, documents=documents),
        )
        incident = apply(head.id, None, Recorded(seq=1, at=now, event=declared))
        log.info("incident declared", incident=head.id, service=declared.service)
        self._changed(incident)
        return incident

    async def record(
        self,
        incident_id: str,
        decide: Decide,
        *,
        lease: Lease | None = None,
        request_id: str = "",
    ) -> Incident:
        """Decide on the present state and write the outcome; returns the state afterwards.

        Raises what ``decide`` raises, RefusedError when the transition table does not allow an
        event, LeaseLostError and DuplicateRequestError as the store does.
        """
        # One at a time in this process: of many that decide at once only one would be in time,
        # and all the others would load and decide again, and again.
        async with self._turns.setdefault(incident_id, asyncio.Lock()):
            return await self._record(incident_id, decide, lease=lease, request_id=request_id)

    async def _record(
        self, incident_id: str, decide: Decide, *, lease: Lease | None, request_id: str
    ) -> Incident:
        while True:
            before = await self.load(incident_id)
            decision = decide(before)
            if decision is None:
                return before
            now = self._clock.now()
            after = advance(before, decision.events, now)
            entailed = self._announcer.entailed(decision.events, after, now)
            events = (*decision.events, *entailed)
            after = advance(after, entailed, now)
            batch = Batch(
                events=events,
                deliveries=self._announcer.owed(before, events, after),
                attachments=decision.attachments,
                documents=decision.documents,
                request_id=request_id,
                closes=decision.closes,
                reopens=decision.reopens,
            )
            try:
                await self._store.append(
                    incident_id, expected=before.seq, batch=batch, now=now, lease=lease
                )
            except ConcurrencyError:
                continue
            self._expect(batch, before, after)
            for event in events:
                log.info("event", incident=incident_id, event_kind=event.kind)
            self._changed(after)
            return after

    async def add(
        self,
        incident_id: str,
        *events: AnyEvent,
        lease: Lease | None = None,
        attachments: tuple[Attachment, ...] = (),
        documents: tuple[Document, ...] = (),
        closes: bool = False,
    ) -> Incident:
        """Write events that do not depend on the state."""
        decision = Decision(
            events=events, attachments=attachments, documents=documents, closes=closes
        )
        return await self.record(incident_id, lambda _: decision, lease=lease)
