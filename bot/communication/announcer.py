"""What people hear of events: owed when an event is recorded, drawn when it is sent.

Phases record events; this module and its tables alone decide who hears of them. Cards follow from
the state: one is owed whenever the events may have changed it, and is sent when it looks different.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial

from bot.catalog.catalog import Catalog
from bot.communication import cards, recovery_card
from bot.communication.blocks import Message
from bot.communication.external import draft_card, external_text
from bot.communication.frame import frame_of
from bot.communication.messages import Content, MessageTable, Outgoing
from bot.communication.readers import readers_of
from bot.communication.texts import Texts, built_in
from bot.core.errors import PermanentError
from bot.core.values import BOT, Value
from bot.engine.journal import Journal, Moment
from bot.incident import events as e
from bot.incident.external import due, waiting
from bot.incident.state import Incident, OutsideMessage, OutsideState, Phase
from bot.store.delivery import Action, Delivery, Source

# What an incident's channel is set up with: its topic, its bookmark.


def channel_setup(catalog: Catalog, incident: Incident) -> Iterator[Delivery]:
    """What is owed to a channel beside its messages; each of it may be missing."""
    channel = incident.channel
    if channel is None:
        return
    declared = incident.declared
    common = {
        "incident_id": incident.id,
        "destination": f"slack:{channel.channel_id}",
        "optional": True,
    }
    if channel.dedicated:
        topic = f"{incident.id}: rollback of {declared.service} {declared.bad_release}"
        yield Delivery(
            id=f"{incident.id}/topic", action=Action.TOPIC, payload={"topic": topic}, **common
        )
    entry = catalog.services.get(declared.service)
    if entry and entry.url:
        link = {"title": f"{declared.service} (live)", "link": str(entry.url)}
        yield Delivery(id=f"{incident.id}/bookmark", action=Action.BOOKMARK, payload=link, **common)


STATUS_CARD = "status"

_ASIDE = frozenset({e.Told, e.Noted, e.UpdatePosted, e.WordsAdded})
"""What no card but the status card shows. They are most of a long incident's events."""
_RUNS = frozenset({Phase.APPROVED, Phase.EXECUTING, Phase.STOPPED})
"""While a progress card changes: once the run has succeeded it stays as it is."""


def _unusable(message: e.ExternalMessage, problem: str) -> e.Noted:
    remedy = "Correct the file and start the bot anew; the built-in text is used meanwhile."
    return e.Noted(subject=f"text “{message.value}”", what=problem, remedy=remedy)


class Announcer:
    """Turns events into deliveries, and deliveries into what they say."""

    def __init__(self, catalog: Catalog, tables: Sequence[MessageTable]) -> None:
        """``tables`` say what events are worth, each kind in one of them.

        Raises ConfigurationError when the catalog's folder of texts cannot be used, ValueError
        when two tables handle the same kind of event.
        """
        self._catalog = catalog
        self._texts = Texts(catalog.texts) if catalog.texts else built_in()
        counted = Counter(kind.__name__ for table in tables for kind in table)
        if twice := sorted(kind for kind, count in counted.items() if count > 1):
            raise ValueError(f"Two tables have messages for: {', '.join(twice)}.")
        self._handlers = {kind: handler for table in tables for kind, handler in table.items()}

    def entailed(
        self, events: tuple[e.AnyEvent, ...], after: Incident, now: datetime
    ) -> tuple[e.AnyEvent, ...]:
        """The messages to customers that these events make due, as events of their own.

        Written with them in one transaction, so that none is lost: sent, or drafted while a
        person holds them. A newer message takes the place of drafts that still wait.
        """
        message = due(after, events)
        if message is None:
            return ()
        readers = readers_of(self._catalog, after)
        if not readers.customers(after, message):
            return ()
        lapsed = tuple(e.ExternalDiscarded(message=o.message, by=BOT) for o in waiting(after))
        text = external_text(after, readers.public, self._texts, now, message)
        problem = (_unusable(message, text.problem),) if text.problem else ()
        if after.external_held_by is None:
            return (*lapsed, *problem, e.ExternalSent(message=message))
        return (*lapsed, *problem, e.ExternalDrafted(message=message, text=text.text))

    def owed(
        self, before: Incident, events: tuple[e.AnyEvent, ...], after: Incident
    ) -> tuple[Delivery, ...]:
        """The deliveries that these events cause, in the order people should see them.

        Nothing is drawn here. An incident at a terminal has no channel: its stakeholders alone are
        owed something.
        """
        if not after.has_place or not events:
            return ()
        messages = [
            delivery
            for number, event in enumerate(events, start=before.seq + 1)
            if type(event) in self._handlers
            for delivery in self._outgoing(
                Moment(number=number, event=event, words=before.words, after=after)
            ).deliveries
        ]
        if after.channel is None:
            return tuple(messages)
        opened = before.channel is None
        shown = {} if opened else self._cards(before)
        owed = [
            Delivery(
                id=f"{after.id}/{after.seq}/{name}",
                incident_id=after.id,
                destination=f"slack:{after.channel.channel_id}",
                action=Action.CARD,
                card=name,
                source=Source(event=after.seq, state=after.seq),
            )
            for name in self._cards(after)
            if name not in shown or _may_change(name, before, events, after)
        ]
        return (*messages, *owed, *(channel_setup(self._catalog, after) if opened else ()))

    async def draw(self, delivery: Delivery, journal: Journal) -> Delivery:
        """The delivery with its payload, if it was owed without one.

        A message says what was known when its event was recorded. A card shows the newest state;
        that of an earlier plan stays as it ended. Raises PermanentError for what this version
        of the bot cannot draw, TemporaryError when the store does not answer.
        """
        source = delivery.source
        if source is None:
            return delivery
        if delivery.action is Action.CARD:
            name = delivery.card
            found: Content | None = self._cards(await journal.load(delivery.incident_id)).get(name)
            if found is None:
                ended = await journal.moment(delivery.incident_id, source.state, source.state)
                found = self._cards(ended.after).get(name)
        else:
            moment = await journal.moment(delivery.incident_id, source.event, source.state)
            found = self._outgoing(moment).contents.get(source.message)
        if found is None:
            raise PermanentError(
                f"This version of the bot does not know what {delivery.id} says.",
                "Start the version that owed it.",
            )
        content = found()
        payload = content.model_dump(mode="json") if isinstance(content, Value) else content
        if delivery.card == STATUS_CARD:
            payload["pin"] = True
        return delivery.model_copy(update={"payload": payload})

    def _outgoing(self, moment: Moment) -> Outgoing:
        """The messages of one event, addressed and ready to be drawn."""
        incident = moment.after
        outgoing = Outgoing(
            incident=incident,
            number=moment.number,
            frame=frame_of(self._catalog, incident.declared.service, incident.changed_at),
            words=moment.words,
            readers=readers_of(self._catalog, incident),
            texts=self._texts,
        )
        self._handlers[type(moment.event)](moment.event, outgoing)
        return outgoing

    def _cards(self, incident: Incident) -> dict[str, Callable[[], Message]]:
        """How to draw every card that exists in this state, by its name.

        Plans are told apart by when they were proposed: a new one is a new message at the end of
        the channel, where people look, and the old one stays as it ended. Time alone changes no
        card: each is drawn as of the last event.
        """

        def drawing(card: Callable[..., Message]) -> Callable[[], Message]:
            return lambda: card(
                incident,
                frame_of(self._catalog, incident.declared.service, incident.changed_at),
            )

        found = {STATUS_CARD: drawing(cards.status_card)}
        for outside in incident.outside:
            # What went out without anybody being asked needs no card.
            if outside.by is not None or outside.state is OutsideState.WAITING:
                found[f"external-{outside.number}"] = partial(self._draft, incident, outside)
        if incident.plan and incident.proposed_at:
            round_name = f"{incident.proposed_at:%Y%m%dT%H%M%S%f}"
            found[f"plan-{round_name}"] = drawing(cards.plan_card)
            if incident.execution_started_at:
                found[f"progress-{round_name}"] = drawing(cards.progress_card)
            if incident.verification:
                found[f"recovery-{round_name}"] = drawing(recovery_card.recovery_card)
        return found

    def _draft(self, incident: Incident, outside: OutsideMessage) -> Message:
        readers = readers_of(self._catalog, incident)
        return draft_card(incident, outside, readers.spoken(incident, outside.message))


def _may_change(
    name: str, before: Incident, events: tuple[e.AnyEvent, ...], after: Incident
) -> bool:
    """Whether these events may have changed a card that was there before them.

    One that looks the same after all is not sent, but has to be drawn to know that.
    """
    kind, _, number = name.partition("-")
    if kind == STATUS_CARD:
        return True
    if all(type(event) in _ASIDE for event in events):
        return False
    match kind:
        case "external":
            index = int(number) - 1
            held = before.external_held_by != after.external_held_by
            return held or before.outside[index] != after.outside[index]
        case "plan":
            # Once approved it shows that, until another plan is asked for.
            return before.approved_at is None or before.approved_at != after.approved_at
        case "progress":
            return before.phase in _RUNS or after.phase in _RUNS
    return True
