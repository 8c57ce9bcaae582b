"""Which messages an event is worth, and where they go: one function an event kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bot.domain import events as e
from bot.domain.external import round_of
from bot.domain.incident import OutsideState
from bot.domain.values import Value
from bot.pipeline.readers import outward
from bot.pipeline.speaker import Speaker
from bot.ports.deliveries import Action, Delivery
from bot.views import follow_up, post_mortem, posts
from bot.views.calendar import file_name
from bot.views.external import status_message
from bot.views.freeze import frozen_post, lifted_post
from bot.views.lost_issue import issue_gone
from bot.views.mails import customer_mail
from bot.views.relapse import relapse_post

TELLING_BEATS = 6
"""After so many beats an update that could not be sent is out of date: with updates every ten
minutes, a place that was down for two days is told of the last hour, and not of all of them."""


def said(event: e.AnyEvent, speaker: Speaker) -> Iterator[Delivery]:
    """The deliveries that one event is worth; most are worth none beside the cards."""
    handler = _HANDLERS.get(type(event))
    return handler(event, speaker) if handler else iter(())


def _channel_opened(event: e.ChannelOpened, to: Speaker) -> Iterator[Delivery]:
    incident, frame = to.incident, to.frame
    here = posts.announcement(incident, frame, texts=to.texts)
    elsewhere = posts.stakeholder_announcement(incident, frame, texts=to.texts)
    yield from to.post("announcement", here)
    yield from to.stakeholders("announcement", elsewhere)
    yield from to.mail("announcement")


def _team_assigned(event: e.TeamAssigned, to: Speaker) -> Iterator[Delivery]:
    people = {person.id for role in event.roles for person in role.people}
    people |= {to.incident.declared.by.id}
    if to.channel is not None and to.channel.dedicated:
        payload = {"people": sorted(people)}
        yield from to.here("invite", Action.INVITE, payload, optional=True)
    yield from to.post("team", posts.team_assembled(to.incident, to.frame, texts=to.texts))
    if to.channel is None:
        # At a terminal no channel is ever opened, and this is the beginning.
        yield from to.mail("announcement")


def _escalated(event: e.ApprovalEscalated, to: Speaker) -> Iterator[Delivery]:
    yield from to.post("escalated", posts.escalated(to.incident, to.frame))


def _update(event: e.UpdatePosted, to: Speaker) -> Iterator[Delivery]:
    message = posts.update_post(
        to.incident, to.frame, number=event.number, words=to.words, texts=to.texts
    )
    posted = to.everywhere("update", message)
    mailed = to.mail("update", number=event.number, told=f"update {event.number}")
    # What a person wrote is told in no other update.
    stale_at = None if to.words else to.frame.now + TELLING_BEATS * to.frame.update_every
    for delivery in (*posted, *mailed):
        yield delivery.model_copy(update={"stale_at": stale_at})


def _execution_finished(event: e.ExecutionFinished, to: Speaker) -> Iterator[Delivery]:
    if event.outcome is not e.ExecutionOutcome.SUCCEEDED:
        message = posts.completion_post(to.incident, to.frame, texts=to.texts)
        yield from to.everywhere("stopped", message)
        yield from to.mail("complete", told="rollback stopped")


def _judged(event: e.Judged, to: Speaker) -> Iterator[Delivery]:
    message = posts.completion_post(to.incident, to.frame, texts=to.texts)
    yield from to.everywhere("judged", message)
    yield from to.mail("complete", told=f"outcome: {event.judgement.verdict.value.lower()}")


def _relapsed(event: e.Relapsed, to: Speaker) -> Iterator[Delivery]:
    yield from to.post("relapsed", relapse_post(to.incident, to.frame, event, here=True))
    message = relapse_post(to.incident, to.frame, event, here=False)
    yield from to.stakeholders("relapsed", message)


def _resolved(event: e.Resolved, to: Speaker) -> Iterator[Delivery]:
    message = posts.resolved_post(to.incident, to.frame, words=to.words, texts=to.texts)
    yield from to.everywhere("resolved", message)
    yield from to.mail("resolved")


def _external_sent(event: e.ExternalSent, to: Speaker) -> Iterator[Delivery]:
    incident, now, public = to.incident, to.frame.now, to.readers.public
    sent = [o for o in incident.outside if o.state is OutsideState.SENT][-1]
    for where, entry in to.readers.customers(incident, event.message).items():
        payload: Value
        if entry.takes_mail:
            words = sent.text if sent.edited else ""
            payload = customer_mail(incident, public, to.texts, now, words=words)
        else:
            payload = status_message(incident, public, to.texts, now, sent)
        yield outward(
            incident,
            where,
            delivery_id=f"{to.prefix}/{event.message.value}/{where}",
            told=event.message.value,
            series=f"outside-{round_of(incident)}",
            payload=payload,
        )


def _frozen(event: e.FreezeSet, to: Speaker) -> Iterator[Delivery]:
    if event.freezes:
        yield from to.post("frozen", frozen_post(event, to.incident))


def _unfrozen(event: e.FreezeLifted, to: Speaker) -> Iterator[Delivery]:
    services = to.incident.plan.services if to.incident.plan else ()
    yield from to.post("unfrozen", lifted_post(event, to.incident, services=services))


def _report(event: e.ReportPublished, to: Speaker) -> Iterator[Delivery]:
    if not event.files:
        yield from to.post("report", posts.report_missing(to.incident))
        return
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


def _compared(event: e.ChangesCompared, to: Speaker) -> Iterator[Delivery]:
    yield from to.post("changes", follow_up.changes(event))


def _post_mortem(event: e.PostMortemScheduled, to: Speaker) -> Iterator[Delivery]:
    yield from to.post("post-mortem", post_mortem.invited(to.incident, event))
    file = {"files": [file_name(to.incident, event)], "comment": "The invitation, as a file"}
    yield from to.here("calendar", Action.UPLOAD, file, optional=True)
    if event.email and event.addresses:
        yield Delivery(
            id=f"{to.prefix}/invitation",
            incident_id=to.incident.id,
            destination=to.readers.invitations,
            action=Action.POST,
            payload=post_mortem.mail(to.incident, event, to.frame.now),
        )


def _post_mortem_reminded(event: e.PostMortemReminded, to: Speaker) -> Iterator[Delivery]:
    yield from to.post("post-mortem-soon", post_mortem.reminder(to.incident))


def _action_asked(event: e.ActionAsked, to: Speaker) -> Iterator[Delivery]:
    yield from to.post("action", follow_up.ask_after(to.incident, event.index))


def _issue_gone(event: e.IssueGone, to: Speaker) -> Iterator[Delivery]:
    yield from to.post("issue-gone", issue_gone(to.incident, event))


def _release_plan(event: e.ReleasePlanUpdated, to: Speaker) -> Iterator[Delivery]:
    yield from to.post("release-plan", follow_up.release_plan_updated(event))


_HANDLERS: dict[type[e.Event], Callable[[Any, Speaker], Iterator[Delivery]]] = {
    e.ChannelOpened: _channel_opened,
    e.TeamAssigned: _team_assigned,
    e.ApprovalEscalated: _escalated,
    e.UpdatePosted: _update,
    e.ExecutionFinished: _execution_finished,
    e.Judged: _judged,
    e.Relapsed: _relapsed,
    e.Resolved: _resolved,
    e.ExternalSent: _external_sent,
    e.ReportPublished: _report,
    e.ChangesCompared: _compared,
    e.PostMortemScheduled: _post_mortem,
    e.PostMortemReminded: _post_mortem_reminded,
    e.ActionAsked: _action_asked,
    e.IssueGone: _issue_gone,
    e.ReleasePlanUpdated: _release_plan,
    e.FreezeSet: _frozen,
    e.FreezeLifted: _unfrozen,
}
