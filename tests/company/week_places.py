"""Where messages arrive in the week: what each place took, when, and what it refuses meanwhile.

A place stands for a Slack channel, a status page, a webhook or a mailbox behind its courier, and
keeps to the contract of ``bot.store.delivery.Courier``: it can be down, ask for patience, and
lose an answer after the effect.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from bot.core.clock import Clock
from bot.core.errors import OutcomeUnknownError, TemporaryError
from bot.core.values import Facts
from bot.store.delivery import Action, Delivery, Receipt
from tests.company.activity import Activity
from tests.company.mortal import Life


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """One message that readers of a place see."""

    at: datetime
    incident: str
    action: Action
    id: str
    payload: Facts

    @property
    def said(self) -> str:
        """Everything readable."""
        return "\n".join(_texts(self.payload))


@dataclass(frozen=True, kw_only=True)
class Manners:
    """What goes wrong at a place, as chances of each message."""

    throttles: float = 0.0
    loses: float = 0.0
    """The answer, after the effect."""
    breaks: float = 0.0
    """Before any effect."""
    can_look: bool = True
    """Whether it can be asked for a message; else it knows a repeated one by its name."""


@dataclass(kw_only=True)
class Place:
    """One destination."""

    name: str
    manners: Manners
    down: tuple[datetime, datetime] | None = None
    seen: list[Arrival] = field(default_factory=list)
    cards: dict[tuple[str, str], list[Arrival]] = field(default_factory=lambda: defaultdict(list))
    """What every card has shown, by incident and name, oldest first."""
    doubled: list[str] = field(default_factory=list)
    """Ids that were sent a second time to a place which would have said that it has them."""
    troubles: list[list[datetime]] = field(default_factory=list)
    """From the first message that was not answered until the next that was."""
    attempts: int = 0

    def in_trouble(self, now: datetime) -> None:
        """A message was not answered as hoped."""
        if not self.troubles or len(self.troubles[-1]) == 2:
            self.troubles.append([now])

    def well(self, now: datetime) -> None:
        """A message was answered."""
        if self.troubles and len(self.troubles[-1]) == 1:
            self.troubles[-1].append(now)

    def is_down(self, now: datetime) -> bool:
        """Whether nobody answers."""
        return self.down is not None and self.down[0] <= now < self.down[1]

    def in_trouble_between(self, start: datetime, end: datetime) -> bool:
        """Whether anything there went wrong in a span of time."""
        return any(t[0] <= end and (len(t) == 1 or t[1] >= start) for t in self.troubles)


class Places:
    """Everybody who is told; what it holds outlives every process of the bot."""

    def __init__(self, clock: Clock, *, seed: int) -> None:
        self._clock = clock
        self._seed = seed
        self._tries: dict[str, int] = defaultdict(int)
        self.manners: dict[str, Manners] = {}
        """By the part before the colon, or by the whole address."""
        self.downs: dict[str, tuple[datetime, datetime]] = {}
        self._places: dict[str, Place] = {}
        self._receipts: dict[str, Receipt] = {}

    def __iter__(self) -> Iterator[Place]:
        return iter(self._places.values())

    def __getitem__(self, address: str) -> Place:
        if address not in self._places:
            kind = address.partition(":")[0]
            usual = self.manners.get(kind, Manners())
            self._places[address] = Place(
                name=address,
                manners=self.manners.get(address, usual),
                down=self.downs.get(address),
            )
        return self._places[address]

    def find(self, delivery: Delivery) -> Receipt | None:
        """What somebody who looks finds."""
        place = self[delivery.destination]
        if not place.manners.can_look:
            return None
        if place.is_down(self._clock.now()):
            place.in_trouble(self._clock.now())
            raise TemporaryError(f"{place.name} refuses connections.")
        return self._receipts.get(delivery.id)

    def take(self, delivery: Delivery, previous: Receipt | None) -> Receipt:
        """What the place answers; raises what couriers raise."""
        place, now = self[delivery.destination], self._clock.now()
        place.attempts += 1
        self._tries[delivery.id] += 1
        # The same fate for the same try, in whatever order messages come.
        random = Random(f"{self._seed} {delivery.id} {self._tries[delivery.id]}")  # noqa: S311 - a story
        chance = random.random()
        if place.is_down(now):
            place.in_trouble(now)
            raise TemporaryError(f"{place.name} refuses connections.")
        manners = place.manners
        if chance < manners.throttles:
            place.in_trouble(now)
            wait = 5.0 + random.randrange(40)
            raise TemporaryError(f"{place.name} asks for patience.", retry_after=wait)
        if chance < manners.throttles + manners.breaks:
            place.in_trouble(now)
            raise TemporaryError(f"{place.name} answered HTTP 503.")
        receipt = self._effect(place, delivery, previous, now)
        if chance < manners.throttles + manners.breaks + manners.loses:
            place.in_trouble(now)
            raise OutcomeUnknownError(f"{place.name} gave no answer.")
        place.well(now)
        return receipt

    def _effect(
        self, place: Place, delivery: Delivery, previous: Receipt | None, now: datetime
    ) -> Receipt:
        known = self._receipts.get(delivery.id)
        if known is not None and not place.manners.can_look:
            return known
        arrival = Arrival(
            at=now,
            incident=delivery.incident_id,
            action=delivery.action,
            id=delivery.id,
            payload=delivery.payload,
        )
        if delivery.action is Action.CARD:
            place.cards[delivery.incident_id, delivery.card].append(arrival)
            return previous or self._receipt(delivery)
        if delivery.action in {Action.POST, Action.UPLOAD}:
            if known is not None:
                place.doubled.append(delivery.id)
            place.seen.append(arrival)
        return self._receipt(delivery)

    def _receipt(self, delivery: Delivery) -> Receipt:
        receipt = Receipt(reference=f"r{len(self._receipts)}", channel_id=delivery.destination)
        self._receipts[delivery.id] = receipt
        return receipt


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            if key != "html":
                yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)


class PlacesCourier:
    """Implements ``bot.store.delivery.Courier`` for one process of the bot."""

    def __init__(self, places: Places, activity: Activity, life: Life) -> None:
        self._places = places
        self._activity = activity
        self._life = life

    async def send(self, delivery: Delivery, previous: Receipt | None) -> Receipt:
        """Deliver; the dead send nothing, and hear no answer."""
        with self._activity.under_way(), self._life.around("call"):
            return self._places.take(delivery, previous)

    async def find(self, delivery: Delivery) -> Receipt | None:
        """Look for it."""
        with self._activity.under_way(), self._life.around("call"):
            return self._places.find(delivery)
