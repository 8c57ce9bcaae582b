"""The outbox: sends what is owed, in order for each destination, each exactly once."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

import structlog

from bot.core.backoff import Backoff
from bot.core.clock import Clock
from bot.core.errors import OutcomeUnknownError, PermanentError, RollbackBotError, TemporaryError
from bot.engine.journal import Decision, Journal
from bot.incident.events import AnyEvent, Noted, Told
from bot.incident.external import label_of
from bot.incident.state import Incident
from bot.store.delivery import Action, Courier, Delivery, DeliveryRow, Receipt
from bot.store.store import Store
from bot.store.values import Lease

# What the status card says of the bot's own troubles: written when it is news, and taken back.


async def say(
    journal: Journal, incident_id: str, *wanted: Noted | Told, lease: Lease | None = None
) -> None:
    """Write what the incident does not know yet: a card must not flicker."""

    def decide(incident: Incident) -> Decision | None:
        events: tuple[AnyEvent, ...] = tuple(one for one in wanted if _is_news(one, incident))
        return Decision(events=events) if events else None

    await journal.record(incident_id, decide, lease=lease)


def _is_news(event: Noted | Told, incident: Incident) -> bool:
    if isinstance(event, Told):
        return event not in incident.told
    known = {note.subject: note for note in incident.notes}.get(event.subject)
    return known != event if event.what else known is not None


async def not_delivered(journal: Journal, delivery: Delivery, what: str, remedy: str) -> None:
    """Say what did not arrive; nothing where the delivery belongs to no incident.

    A card that fails cannot say so itself.
    """
    if delivery.incident_id and delivery.action is not Action.CARD:
        await say(journal, delivery.incident_id, _noted(delivery, what, remedy))


async def delivered(journal: Journal, delivery: Delivery, receipt: Receipt) -> None:
    """Take back what was said of failures, and show what a destination beside Slack took."""
    if not delivery.told:
        await not_delivered(journal, delivery, receipt.note, "")
        return
    told = Told(destination=delivery.destination, what=delivery.told, reference=receipt.reference)
    await say(journal, delivery.incident_id, told, _noted(delivery, receipt.note, ""))


def _noted(delivery: Delivery, what: str, remedy: str) -> Noted:
    subject = f"{delivery.action.value} to {label_of(delivery.destination)}"
    return Noted(subject=subject, what=what, remedy=remedy)


log = structlog.get_logger()

CLAIM_TTL = timedelta(seconds=60)
"""Longer than sending may take: nobody claims what somebody is still sending."""
SEND_SECONDS = 45.0
"""Sending ends after this, however many calls it takes; whether it arrived is then looked up."""
POLL = timedelta(seconds=1)
"""How often is looked for what other processes owe; what this one owes wakes the outbox."""
BACKOFF = Backoff(first=1.0, longest=300.0)
SAID_AFTER = 6
"""Attempts, half a minute: people are told that a destination beside Slack takes nothing."""
GIVE_UP_AFTER = 34
"""Attempts: with the back-off above, more than two hours."""
GIVEN_UP = "The bot does not try any longer; tell its readers by hand."
STALE = "Out of date before it could be sent: newer messages tell more."


class Drawing(Protocol):
    """Makes what a delivery says, if it was owed without that."""

    async def draw(self, delivery: Delivery, journal: Journal) -> Delivery:
        """The delivery with its payload."""


class Outbox:
    """Claims due deliveries, has each drawn, and hands it to its courier."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        journal: Journal,
        announcer: Drawing,
        couriers: Mapping[str, Courier],
        owner: str,
        poll: timedelta = POLL,
    ) -> None:
        self._store = store
        self._clock = clock
        self._journal = journal
        self._announcer = announcer
        self._couriers = couriers
        self._owner = owner
        self._poll = poll.total_seconds()
        self._woken = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Look for owed deliveries now."""
        self._woken.set()

    async def run(self) -> None:
        """Send until cancelled; deliveries in flight are then found again by their ids."""
        try:
            while True:
                self._woken.clear()
                try:
                    await self._round()
                    await self._wait()
                except RollbackBotError as error:
                    log.warning("the outbox cannot read the store", error=str(error))
                    await self._clock.sleep(self._poll)
                except Exception:
                    # Nobody else sends: whatever happens here, the next round must come.
                    log.exception("a round of the outbox failed unexpectedly")
                    await self._clock.sleep(self._poll)
        finally:
            for task in self._sending:
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)

    async def _round(self) -> None:
        rows = await self._store.claim_deliveries(
            owner=self._owner, now=self._clock.now(), ttl=CLAIM_TTL
        )
        for row in rows:
            task = asyncio.create_task(self._deliver(row), name=f"deliver {row.delivery.id}")
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _wait(self) -> None:
        """Until something is enqueued or settled, or the next delivery is due."""
        due = await self._store.next_delivery_at()
        seconds = self._poll
        if due is not None:
            seconds = min(seconds, max(0.02, (due - self._clock.now()).total_seconds()))
        sleep = asyncio.create_task(self._clock.sleep(seconds))
        woken = asyncio.create_task(self._woken.wait())
        _, pending = await asyncio.wait({sleep, woken}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    async def _deliver(self, row: DeliveryRow) -> None:
        """Send one delivery and settle it; an unsettled one is looked for again after its claim."""
        try:
            await self._send_and_settle(row)
        except RollbackBotError as error:
            log.warning("delivery not settled", delivery=row.delivery.id, error=str(error))
        except Exception:
            log.exception("delivery not settled", delivery=row.delivery.id)
        self.wake()

    async def _send_and_settle(self, row: DeliveryRow) -> None:
        delivery = row.delivery
        now = self._clock.now()
        if delivery.stale_at is not None and now >= delivery.stale_at:
            log.info("delivery out of date", delivery=delivery.id)
            await self._store.settle_failed(delivery.id, STALE, now=now)
            return
        try:
            async with asyncio.timeout(SEND_SECONDS):
                receipt = await self._send(row)
        except TimeoutError:
            what = f"{label_of(delivery.destination)} did not answer within {SEND_SECONDS:g} s."
            await self._later(row, OutcomeUnknownError(what))
        except TemporaryError as error:
            await self._later(row, error)
        except PermanentError as error:
            await self._give_up(delivery, error)
        except Exception as error:
            # A defect in a courier must neither stop the others nor be tried for ever.
            log.exception("courier failed unexpectedly", delivery=delivery.id)
            what = f"{delivery.id} could not be delivered ({type(error).__name__})."
            await self._give_up(delivery, PermanentError(what, "The bot's log has the details."))
        else:
            await self._store.settle_sent(delivery.id, receipt, now=self._clock.now())
            await delivered(self._journal, delivery, receipt)

    async def _send(self, row: DeliveryRow) -> Receipt:
        delivery = await self._announcer.draw(row.delivery, self._journal)
        scheme = delivery.destination.partition(":")[0]
        courier = self._couriers.get(scheme)
        if courier is None:
            raise PermanentError(f"No courier goes to “{scheme}”.", "Correct the catalog.")
        if row.unknown and (found := await courier.find(delivery)):
            await self._owe_pin(delivery, found)
            return found
        previous = await self._previous(delivery)
        if delivery.action is not Action.CARD:
            return await courier.send(delivery, previous)
        drawn = json.dumps(delivery.payload, sort_keys=True)
        shown = hashlib.sha256(drawn.encode()).hexdigest()
        if previous and previous.shown == shown:
            return previous
        receipt = await courier.send(delivery, previous)
        if receipt != previous:
            await self._owe_pin(delivery, receipt)
        return receipt.model_copy(update={"shown": shown})

    async def _previous(self, delivery: Delivery) -> Receipt | None:
        """The receipt of what this delivery follows at its destination, if that arrived."""
        card = str(delivery.payload.get("card", "")) or delivery.card
        if card:
            return await self._store.card_receipt(delivery.destination, card, delivery.incident_id)
        if not delivery.series:
            return None
        return await self._store.series_receipt(
            delivery.destination, delivery.series, delivery.incident_id
        )

    async def _owe_pin(self, card: Delivery, receipt: Receipt) -> None:
        """Pin a card that has become a message.

        Owed only now, because a card whose first version was replaced before it was sent comes
        later than everything that was owed with it. The id tells this message from one that
        somebody deleted.
        """
        if not card.payload.get("pin"):
            return
        pin = Delivery(
            id=f"{card.incident_id}/pin/{receipt.reference}",
            incident_id=card.incident_id,
            destination=card.destination,
            action=Action.PIN,
            payload={"card": card.card},
            optional=True,
        )
        await self._store.enqueue([pin], now=self._clock.now())

    async def _later(self, row: DeliveryRow, error: TemporaryError) -> None:
        if row.attempts >= GIVE_UP_AFTER:
            await self._give_up(row.delivery, error)
            return
        pause = BACKOFF.pause(row.attempts, error.retry_after)
        due = self._clock.now() + timedelta(seconds=pause)
        log.warning("delivery postponed", delivery=row.delivery.id, error=str(error))
        if error.remedy:
            # Waiting alone will not help: a person has to do something.
            await not_delivered(self._journal, row.delivery, error.what, error.remedy)
        elif row.delivery.told and row.attempts >= SAID_AFTER:
            remedy = "The bot keeps trying; tell its readers by hand if it cannot wait."
            await not_delivered(self._journal, row.delivery, error.what, remedy)
        unknown = row.unknown or isinstance(error, OutcomeUnknownError)
        await self._store.settle_retry(
            row.delivery.id, due_at=due, error=str(error), unknown=unknown
        )

    async def _give_up(self, delivery: Delivery, error: RollbackBotError) -> None:
        log.warning("delivery failed", delivery=delivery.id, error=str(error))
        # Said first: a process that dies in between fails once more, and not in silence.
        await not_delivered(self._journal, delivery, error.what, error.remedy or GIVEN_UP)
        await self._store.settle_failed(delivery.id, str(error), now=self._clock.now())
