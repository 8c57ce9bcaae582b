"""Which messages the journey's own events are worth, and where they go: one function an event kind.

Freeze, relapse, paperwork and reporting have tables of their own beside this one.
"""

from __future__ import annotations

from bot.domain import events as e
from bot.domain.external import round_of
from bot.domain.incident import OutsideState
from bot.pipeline.speaker import Details, MessageTable, Outgoing
from bot.ports.deliveries import Action
from bot.views import posts
from bot.views.external import status_message
from bot.views.mails import customer_mail

TELLING_BEATS = 6
"""After so many beats an update that could not be sent is out of date: with updates every ten
minutes, a place that was down for two days is told of the last hour, and not of all of them."""


def _channel_opened(event: e.ChannelOpened, to: Outgoing) -> None:
    incident, frame, texts = to.incident, to.frame, to.texts
    to.post("announcement", lambda: posts.announcement(incident, frame, texts=texts))
    to.stakeholders(
        "announcement", lambda: posts.stakeholder_announcement(incident, frame, texts=texts)
    )
    to.mail("announcement")


def _team_assigned(event: e.TeamAssigned, to: Outgoing) -> None:
    people = {person.id for role in event.roles for person in role.people}
    people |= {to.incident.declared.by.id}
    if to.channel is not None and to.channel.dedicated:
        to.here("invite", Action.INVITE, lambda: {"people": sorted(people)}, optional=True)
    to.post("team", lambda: posts.team_assembled(to.incident, to.frame, texts=to.texts))
    if to.channel is None:
        # At a terminal no channel is ever opened, and this is the beginning.
        to.mail("announcement")


def _escalated(event: e.ApprovalEscalated, to: Outgoing) -> None:
    to.post("escalated", lambda: posts.escalated(to.incident, to.frame))


def _update(event: e.UpdatePosted, to: Outgoing) -> None:
    # What a person wrote is told in no other update.
    stale_at = None if to.words else to.frame.now + TELLING_BEATS * to.frame.update_every
    to.everywhere(
        "update",
        lambda: posts.update_post(
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
    to.everywhere(purpose, lambda: posts.completion_post(to.incident, to.frame, texts=to.texts))


def _resolved(event: e.Resolved, to: Outgoing) -> None:
    to.everywhere(
        "resolved",
        lambda: posts.resolved_post(to.incident, to.frame, words=to.words, texts=to.texts),
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
