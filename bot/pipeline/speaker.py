"""Addresses what one event has to say: here, to stakeholders, by mail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack

from bot.domain import events as e
from bot.domain.incident import Incident
from bot.domain.values import Instant, Value
from bot.pipeline.readers import Readers
from bot.ports.deliveries import Action, Delivery, Source
from bot.views.frame import Frame
from bot.views.mails import stakeholder_mail
from bot.views.message import Message
from bot.views.texts import Texts

Content = Callable[[], Value | dict[str, Any]]
"""Draws a payload."""


class Details(TypedDict, total=False):
    """Fields of ``Delivery`` that most deliveries do without."""

    optional: bool
    series: str
    told: str
    stale_at: Instant | None


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """The messages of one event: addressed when it is recorded, drawn when they are sent.

    A handler describes both at once. While the event is recorded only ``deliveries`` is used and
    nothing is drawn. When one of them is sent, the handler runs again on the same event and the
    same state, and ``contents`` draws what it is to say: also when the catalog does not name the
    destination any more.
    """

    incident: Incident
    """As it was after everything that was recorded together with the event."""
    number: int
    """The event's."""
    frame: Frame
    words: tuple[e.WordsAdded, ...]
    """What people had added for the next update, which an update uses up."""
    readers: Readers
    """Everybody beside the incident's channel who is told."""
    texts: Texts
    deliveries: list[Delivery] = field(default_factory=list)
    contents: dict[str, Content] = field(default_factory=dict)
    """By ``Source.message``."""

    @property
    def channel(self) -> e.ChannelOpened | None:
        """None for an incident at a terminal: nothing is said here then."""
        return self.incident.channel

    def here(
        self, purpose: str, action: Action, content: Content, **details: Unpack[Details]
    ) -> None:
        """A delivery to the incident's channel, if it has one."""
        to = {f"slack:{self.channel.channel_id}": purpose} if self.channel else {}
        self._owe(purpose, to, action, content, details)

    def post(
        self, purpose: str, message: Callable[[], Message], **details: Unpack[Details]
    ) -> None:
        """A message to the incident's channel, if it has one."""
        self.here(purpose, Action.POST, message, **details)

    def stakeholders(
        self, purpose: str, message: Callable[[], Message], **details: Unpack[Details]
    ) -> None:
        """A message to every stakeholder channel; each fails alone."""
        to = {f"slack:{name}": f"{purpose}/{name}" for name in self.readers.channels}
        self._owe(f"{purpose} to stakeholders", to, Action.POST, message, details)

    def everywhere(
        self, purpose: str, message: Callable[[], Message], **details: Unpack[Details]
    ) -> None:
        """A message to the incident's channel and to the stakeholders."""
        self.post(purpose, message, **details)
        self.stakeholders(purpose, message, **details)

    def mail(self, kind: str, *, number: int = 0, **details: Unpack[Details]) -> None:
        """A mail to every stakeholders' mailbox; ``kind`` as for ``stakeholder_mail``."""

        def mail() -> Value:
            return stakeholder_mail(
                self.incident, self.frame, self.texts, kind=kind, number=number, words=self.words
            )

        boxes = self.readers.mailboxes(for_updates=kind == "update")
        to = {where: f"{kind}/{where}" for where in boxes}
        details = {"series": "mail", "told": kind, **details}
        self.outward(f"{kind} by mail", to, mail, **details)

    def outward(
        self, name: str, to: Mapping[str, str], content: Content, **details: Unpack[Details]
    ) -> None:
        """A message to destinations beside Slack, by their addresses, each with its purpose.

        ``name`` tells it from the event's other messages.
        """
        self._owe(name, to, Action.POST, content, details)

    def _owe(
        self, name: str, to: Mapping[str, str], action: Action, content: Content, details: Details
    ) -> None:
        self.contents[name] = content
        source = Source(event=self.number, state=self.incident.seq, message=name)
        self.deliveries.extend(
            Delivery(
                id=f"{self.incident.id}/{self.number}/{purpose}",
                incident_id=self.incident.id,
                destination=where,
                action=action,
                source=source,
                **details,
            )
            for where, purpose in to.items()
        )


Handler = Callable[[Any, Outgoing], None]
"""Describes the messages that an event of one kind is worth."""
MessageTable = Mapping[type[e.Event], Handler]
"""Which messages the events of one part of the bot are worth."""
