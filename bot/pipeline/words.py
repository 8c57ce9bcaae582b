"""What is said about what happened: from events to owed deliveries, and nowhere else.

Phases record events; this module alone decides who hears of them. Cards follow from the state:
a card is owed whenever it looks different after the events than before them.
"""

from __future__ import annotations

from datetime import datetime

from bot.config.catalog import Catalog
from bot.domain import events as e
from bot.domain.external import due, waiting
from bot.domain.incident import Incident, OutsideState
from bot.domain.values import BOT
from bot.pipeline.frames import frame_of
from bot.pipeline.furniture import furniture
from bot.pipeline.readers import Readers, readers_of
from bot.pipeline.said import said
from bot.pipeline.speaker import Speaker
from bot.ports.deliveries import Action, Delivery
from bot.views import cards
from bot.views.external import draft_card, external_text
from bot.views.frame import Frame
from bot.views.message import Message
from bot.views.texts import Texts, built_in

STATUS_CARD = "status"

_ASIDE = frozenset({e.Told, e.Noted, e.UpdatePosted, e.WordsAdded})
"""What no card but the status card shows. They are most of a long incident's events, and the other
cards take most of the time for drawing."""


def _unusable(message: e.ExternalMessage, problem: str) -> e.Noted:
    remedy = "Correct the file and start the bot anew; the built-in text is used meanwhile."
    return e.Noted(subject=f"text “{message.value}”", what=problem, remedy=remedy)


def _cards(incident: Incident, frame: Frame, readers: Readers) -> dict[str, Message]:
    """Every card that exists in this state, by its name.

    Plans are told apart by when they were proposed: a new one is a new message at the end of the
    channel, where people look, and the old one stays as it ended.
    """
    found = {STATUS_CARD: cards.status_card(incident, frame)}
    for outside in incident.outside:
        # What went out without anybody being asked needs no card.
        if outside.by is not None or outside.state is OutsideState.WAITING:
            names = readers.spoken(incident, outside.message)
            found[f"external-{outside.number}"] = draft_card(incident, outside, names)
    if incident.plan and incident.proposed_at:
        round_name = f"{incident.proposed_at:%Y%m%dT%H%M%S%f}"
        found[f"plan-{round_name}"] = cards.plan_card(incident, frame)
        if incident.execution_started_at:
            found[f"progress-{round_name}"] = cards.progress_card(incident, frame)
        if incident.verification:
            found[f"recovery-{round_name}"] = cards.recovery_card(incident, frame)
    return found


class Words:
    """Turns events into deliveries."""

    def __init__(self, catalog: Catalog) -> None:
        """Raises ConfigurationError when the catalog's folder of texts cannot be used."""
        self._catalog = catalog
        self._texts = Texts(catalog.texts) if catalog.texts else built_in()
        self._drawn: dict[str, tuple[Incident, dict[str, Message]]] = {}

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
        said = external_text(after, readers.public, self._texts, now, message)
        problem = (_unusable(message, said.problem),) if said.problem else ()
        if after.external_held_by is None:
            return (*lapsed, *problem, e.ExternalSent(message=message))
        return (*lapsed, *problem, e.ExternalDrafted(message=message, text=said.text))

    def owed(
        self,
        before: Incident,
        events: tuple[e.AnyEvent, ...],
        after: Incident,
        now: datetime,
    ) -> tuple[Delivery, ...]:
        """The deliveries that these events cause, in the order people should see them.

        An incident at a terminal has no channel: its stakeholders alone are owed something.
        """
        if not after.has_place or not events:
            return ()
        frame = frame_of(self._catalog, after.declared.service, now)
        readers = readers_of(self._catalog, after)
        messages = [
            delivery
            for number, event in enumerate(events, start=before.seq + 1)
            for delivery in said(
                event,
                Speaker(
                    incident=after,
                    frame=frame,
                    channel=after.channel,
                    words=before.words,
                    readers=readers,
                    texts=self._texts,
                    prefix=f"{after.id}/{number}",
                ),
            )
        ]
        if after.channel is None:
            return tuple(messages)
        opened = before.channel is None
        shown = {} if opened else self._shown(before)
        wanted = self._wanted(before, events, after, frame, readers)
        self._drawn[after.id] = (after, wanted)
        if after.report is not None:
            self._drawn.pop(after.id)
        destination = f"slack:{after.channel.channel_id}"
        drawn = [
            Delivery(
                id=f"{after.id}/{after.seq}/{name}",
                incident_id=after.id,
                destination=destination,
                action=Action.CARD,
                card=name,
                payload={**message.payload(), "pin": name == STATUS_CARD},
            )
            for name, message in wanted.items()
            if shown.get(name) != message
        ]
        comforts = list(furniture(self._catalog, after)) if opened else []
        return (*messages, *drawn, *comforts)

    def _wanted(
        self,
        before: Incident,
        events: tuple[e.AnyEvent, ...],
        after: Incident,
        frame: Frame,
        readers: Readers,
    ) -> dict[str, Message]:
        """The cards as they are to look; those that these events cannot change are kept."""
        known, drawn = self._drawn.get(before.id, (None, {}))
        if known != before or not all(type(event) in _ASIDE for event in events):
            return _cards(after, frame, readers)
        return {**drawn, STATUS_CARD: cards.status_card(after, frame)}

    def _shown(self, incident: Incident) -> dict[str, Message]:
        """The cards as people see them: drawn when the incident last changed.

        Drawn now they would already say what time alone has changed, and nobody would be told.
        """
        known, drawn = self._drawn.get(incident.id, (None, {}))
        if known == incident:
            return drawn
        frame = frame_of(self._catalog, incident.declared.service, incident.changed_at)
        return _cards(incident, frame, readers_of(self._catalog, incident))
