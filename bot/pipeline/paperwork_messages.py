"""What people read of what follows an incident: post-mortem, actions, issues, release plan."""

from __future__ import annotations

from bot.domain import events as e
from bot.pipeline.speaker import MessageTable, Outgoing
from bot.ports.deliveries import Action
from bot.views import follow_up, post_mortem
from bot.views.calendar import file_name
from bot.views.lost_issue import issue_gone


def _compared(event: e.ChangesCompared, to: Outgoing) -> None:
    to.post("changes", lambda: follow_up.changes(event))


def _scheduled(event: e.PostMortemScheduled, to: Outgoing) -> None:
    to.post("post-mortem", lambda: post_mortem.invited(to.incident, event))
    file = {"files": [file_name(to.incident, event)], "comment": "The invitation, as a file"}
    to.here("calendar", Action.UPLOAD, lambda: file, optional=True)
    if event.email and event.addresses:
        to.outward(
            "invitation",
            {to.readers.invitations: "invitation"},
            lambda: post_mortem.mail(to.incident, event, to.frame.now),
        )


def _reminded(event: e.PostMortemReminded, to: Outgoing) -> None:
    to.post("post-mortem-soon", lambda: post_mortem.reminder(to.incident))


def _action_asked(event: e.ActionAsked, to: Outgoing) -> None:
    to.post("action", lambda: follow_up.ask_after(to.incident, event.index))


def _issue_gone(event: e.IssueGone, to: Outgoing) -> None:
    to.post("issue-gone", lambda: issue_gone(to.incident, event))


def _release_plan(event: e.ReleasePlanUpdated, to: Outgoing) -> None:
    to.post("release-plan", lambda: follow_up.release_plan_updated(event))


MESSAGES: MessageTable = {
    e.ChangesCompared: _compared,
    e.PostMortemScheduled: _scheduled,
    e.PostMortemReminded: _reminded,
    e.ActionAsked: _action_asked,
    e.IssueGone: _issue_gone,
    e.ReleasePlanUpdated: _release_plan,
}
