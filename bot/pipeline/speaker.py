"""Addresses what is said about one event: here, to stakeholders, by mail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bot.domain import events as e
from bot.domain.incident import Incident
from bot.pipeline.readers import Readers, outward
from bot.ports.deliveries import Action, Delivery
from bot.views.frame import Frame
from bot.views.mails import stakeholder_mail
from bot.views.message import Message
from bot.views.texts import Texts


@dataclass(frozen=True, kw_only=True)
class Speaker:
    """Addresses deliveries about one event of one incident."""

    incident: Incident
    frame: Frame
    channel: e.ChannelOpened | None
    """None for an incident at a terminal: nothing is said here then."""
    words: tuple[e.WordsAdded, ...]
    """What people had added for the next update, which an update uses up."""
    readers: Readers
    """Everybody else who is told."""
    texts: Texts
    prefix: str
    """``<incident>/<event number>``: makes the ids of the deliveries unique for ever."""

    def here(
        self, purpose: str, action: Action, payload: dict[str, Any], *, optional: bool = False
    ) -> Iterator[Delivery]:
        """A delivery to the incident's channel, if it has one."""
        if self.channel is not None:
            to = self.channel.channel_id
            yield self._to(to, purpose, action, payload, optional=optional)

    def post(self, purpose: str, message: Message) -> Iterator[Delivery]:
        """A message to the incident's channel, if it has one."""
        return self.here(purpose, Action.POST, message.payload())

    def post_to(self, channel: str, purpose: str, message: Message) -> Delivery:
        """A message to another channel or to a person."""
        return self._to(channel, purpose, Action.POST, message.payload())

    def stakeholders(self, purpose: str, message: Message) -> Iterator[Delivery]:
        """A message to every stakeholder channel; each fails alone."""
        for name in self.readers.channels:
            yield self.post_to(name, f"{purpose}/{name}", message)

    def everywhere(self, purpose: str, message: Message) -> Iterator[Delivery]:
        """A message to the incident's channel and to the stakeholders."""
        yield from self.post(purpose, message)
        yield from self.stakeholders(purpose, message)

    def mail(self, kind: str, *, number: int = 0, told: str = "") -> Iterator[Delivery]:
        """A mail to every stakeholders' mailbox; ``kind`` as for ``stakeholder_mail``."""
        wanted = tuple(self.readers.mailboxes(for_updates=kind == "update"))
        if not wanted:
            return
        mail = stakeholder_mail(
            self.incident, self.frame, self.texts, kind=kind, number=number, words=self.words
        )
        for where in wanted:
            yield outward(
                self.incident,
                where,
                delivery_id=f"{self.prefix}/{kind}/{where}",
                told=told or kind,
                series="mail",
                payload=mail,
            )

    def _to(
        self,
        channel: str,
        purpose: str,
        action: Action,
        payload: dict[str, Any],
        *,
        optional: bool = False,
    ) -> Delivery:
        return Delivery(
            id=f"{self.prefix}/{purpose}",
            incident_id=self.incident.id,
            destination=f"slack:{channel}",
            action=action,
            payload=payload,
            optional=optional,
        )
