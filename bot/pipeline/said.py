"""Which messages an event is worth, and where they go: one function an event kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bot.domain import events as e
from bot.domain.incident import Incident
from bot.ports.deliveries import Action, Delivery
from bot.views import posts
from bot.views.frame import Frame
from bot.views.freeze import frozen_post, lifted_post
from bot.views.message import Message


@dataclass(frozen=True, kw_only=True)
class Speaker:
    """Addresses deliveries about one event of one incident."""

    incident: Incident
    frame: Frame
    channel: e.ChannelOpened | None
    """None for an incident at a terminal: nothing is said here then."""
    words: tuple[e.WordsAdded, ...]
    """What people had added for the next update, which an update uses up."""
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
        for name in self.frame.stakeholder_channels:
            yield self.post_to(name, f"{purpose}/{name}", message)

    def everywhere(self, purpose: str, message: Message) -> Iterator[Delivery]:
        """A message to the incident's channel and to the stakeholders."""
        yield from self.post(purpose, message)
        yield from self.stakeholders(purpose, message)

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


def said(event: e.AnyEvent, speaker: Speaker) -> Iterator[Delivery]:
    """The deliveries that one event is worth; most are worth none beside the cards."""
    handler = _HANDLERS.get(type(event))
    return handler(event, speaker) if handler else iter(())


def _channel_opened(event: e.ChannelOpened, to: Speaker) -> Iterator[Delivery]:
    incident, frame = to.incident, to.frame
    yield from to.post("announcement", posts.announcement(incident, frame))
    yield from to.stakeholders("announcement", posts.stakeholder_announcement(incident, frame))


def _team_assigned(event: e.TeamAssigned, to: Speaker) -> Iterator[Delivery]:
    people = {person.id for role in event.roles for person in role.people}
    people |= {to.incident.declared.by.id}
    if to.channel is not None and to.channel.dedicated:
        payload = {"people": sorted(people)}
        yield from to.here("invite", Action.INVITE, payload, optional=True)
    yield from to.post("team", posts.team_assembled(to.incident, to.frame))


def _escalated(event: e.ApprovalEscalated, to: Speaker) -> Iterator[Delivery]:
    yield from to.post("escalated", posts.escalated(to.incident, to.frame))


def _update(event: e.UpdatePosted, to: Speaker) -> Iterator[Delivery]:
    message = posts.update_post(to.incident, to.frame, number=event.number, words=to.words)
    yield from to.everywhere("update", message)


def _execution_finished(event: e.ExecutionFinished, to: Speaker) -> Iterator[Delivery]:
    if event.outcome is not e.ExecutionOutcome.SUCCEEDED:
        yield from to.everywhere("stopped", posts.completion_post(to.incident, to.frame))


def _judged(event: e.Judged, to: Speaker) -> Iterator[Delivery]:
    yield from to.everywhere("judged", posts.completion_post(to.incident, to.frame))


def _resolved(event: e.Resolved, to: Speaker) -> Iterator[Delivery]:
    yield from to.everywhere("resolved", posts.resolved_post(to.incident, to.frame))


def _frozen(event: e.FreezeSet, to: Speaker) -> Iterator[Delivery]:
    if event.freezes:
        yield from to.post("frozen", frozen_post(event, to.incident))


def _unfrozen(event: e.FreezeLifted, to: Speaker) -> Iterator[Delivery]:
    services = to.incident.plan.services if to.incident.plan else ()
    yield from to.post("unfrozen", lifted_post(event, to.incident, services=services))


def _report(event: e.ReportPublished, to: Speaker) -> Iterator[Delivery]:
    service = to.incident.declared.service
    payload = {
        "files": list(event.files),
        "comment": posts.report_comment(to.incident),
        "alt_text": f"Error rate of {service} before and after the rollback",
    }
    yield from to.here("report", Action.UPLOAD, payload)
    # A channel that was there before the incident keeps its canvas for its own matters.
    if event.canvas and to.channel is not None and to.channel.dedicated:
        canvas = {"file": event.canvas, "title": f"{to.incident.id}: rollback report"}
        yield from to.here("canvas", Action.CANVAS, canvas, optional=True)


_HANDLERS: dict[type[e.Event], Callable[[Any, Speaker], Iterator[Delivery]]] = {
    e.ChannelOpened: _channel_opened,
    e.TeamAssigned: _team_assigned,
    e.ApprovalEscalated: _escalated,
    e.UpdatePosted: _update,
    e.ExecutionFinished: _execution_finished,
    e.Judged: _judged,
    e.Resolved: _resolved,
    e.ReportPublished: _report,
    e.FreezeSet: _frozen,
    e.FreezeLifted: _unfrozen,
}
