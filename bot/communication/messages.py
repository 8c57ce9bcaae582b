"""Addresses what one event has to say: here, to stakeholders, by mail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack

from bot.communication import announcements, outcomes
from bot.communication.blocks import Message
from bot.communication.external import status_message
from bot.communication.frame import Frame
from bot.communication.mails import customer_mail, stakeholder_mail
from bot.communication.readers import Readers
from bot.communication.texts import Texts
from bot.core.values import Instant, Value
from bot.incident import events as e
from bot.incident.external import round_of
from bot.incident.state import Incident, OutsideState
from bot.store.delivery import Action, Delivery, Source

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


# Which messages the journey's own events are worth, and where they go: one function an event
# kind.
#
# Freeze, relapse, paperwork and reporting have tables of their own beside this one.

TELLING_BEATS = 6
"""After so many beats an update that could not be sent is out of date: with updates every ten
minutes, a place that was down for two days is told of the last hour, and not of all of them."""


def _channel_opened(event: e.ChannelOpened, to: Outgoing) -> None:
    incident, frame, texts = to.incident, to.frame, to.texts
    to.post("announcement", lambda: announcements.announcement(incident, frame, texts=texts))
    to.stakeholders(
        "announcement", lambda: announcements.stakeholder_announcement(incident, frame, texts=texts)
    )
    to.mail("announcement")


def _team_assigned(event: e.TeamAssigned, to: Outgoing) -> None:
    people = {person.id for role in event.roles for person in role.people}
    people |= {to.incident.declared.by.id}
    if to.channel is not None and to.channel.dedicated:
        to.here("invite", Action.INVITE, lambda: {"people": sorted(people)}, optional=True)
    to.post("team", lambda: announcements.team_assembled(to.incident, to.frame, texts=to.texts))
    if to.channel is None:
        # At a terminal no channel is ever opened, and this is the beginning.
        to.mail("announcement")


def _escalated(event: e.ApprovalEscalated, to: Outgoing) -> None:
    to.post("escalated", lambda: announcements.escalated(to.incident, to.frame))


def _update(event: e.UpdatePosted, to: Outgoing) -> None:
    # What a person wrote is told in no other update.
    stale_at = None if to.words else to.frame.now + TELLING_BEATS * to.frame.update_every
    to.everywhere(
        "update",
        lambda: announcements.update_post(
            to.incident, to.frame, number=event.number, words=to.words, texts=to.texts
        ),
        stale_at=stale_at,
    )
    told = f"update {event.number}"
    to.mail("update", number=event.number, told=told, stale_at=stale_at)


def _execution_finished(event: e.ExecutionFinished, to: Outgoing) -> None:
    if event.outcome is not e.ExecutionOutcome.SUCCEEDED:
        _complete("stopped", to)
        to.mail("complete", told="rollback stopped")


def _judged(event: e.Judged, to: Outgoing) -> None:
    _complete("judged", to)
    to.mail("complete", told=f"outcome: {event.judgement.verdict.value.lower()}")


def _complete(purpose: str, to: Outgoing) -> None:
    to.everywhere(purpose, lambda: outcomes.completion_post(to.incident, to.frame, texts=to.texts))


def _resolved(event: e.Resolved, to: Outgoing) -> None:
    to.everywhere(
        "resolved",
        lambda: outcomes.resolved_post(to.incident, to.frame, words=to.words, texts=to.texts),
    )
    to.mail("resolved")


def _external_sent(event: e.ExternalSent, to: Outgoing) -> None:
    incident, now, public = to.incident, to.frame.now, to.readers.public
    sent = [o for o in incident.outside if o.state is OutsideState.SENT][-1]
    words = sent.text if sent.edited else ""
    mails: dict[str, str] = {}
    pages: dict[str, str] = {}
    for where, entry in to.readers.customers(incident, event.message).items():
        found = mails if entry.takes_mail else pages
        found[where] = f"{event.message.value}/{where}"
    details = Details(series=f"outside-{round_of(incident)}", told=event.message.value)
    to.outward(
        "status", pages, lambda: status_message(incident, public, to.texts, now, sent), **details
    )
    to.outward(
        "mail",
        mails,
        lambda: customer_mail(incident, public, to.texts, now, words=words),
        **details,
    )


MESSAGES: MessageTable = {
    e.ChannelOpened: _channel_opened,
    e.TeamAssigned: _team_assigned,
    e.ApprovalEscalated: _escalated,
    e.UpdatePosted: _update,
    e.ExecutionFinished: _execution_finished,
    e.Judged: _judged,
    e.Resolved: _resolved,
    e.ExternalSent: _external_sent,
}
