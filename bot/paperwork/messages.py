"""What people read of what follows an incident: post-mortem, actions, issues, release plan."""

from __future__ import annotations

from bot.communication.messages import MessageTable, Outgoing
from bot.incident import events as e
from bot.paperwork import actions, post_mortem
from bot.paperwork.actions import issue_gone
from bot.paperwork.post_mortem import file_name
from bot.store.delivery import Action


def _compared(event: e.ChangesCompared, to: Outgoing) -> None:
    to.post("changes", lambda: actions.changes(event))


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
    to.post("action", lambda: actions.ask_after(to.incident, event.index))


def _issue_gone(event: e.IssueGone, to: Outgoing) -> None:
    to.post("issue-gone", lambda: issue_gone(to.incident, event))


def _release_plan(event: e.ReleasePlanUpdated, to: Outgoing) -> None:
    to.post("release-plan", lambda: actions.release_plan_updated(event))


MESSAGES: MessageTable = {
    e.ChangesCompared: _compared,
    e.PostMortemScheduled: _scheduled,
    e.PostMortemReminded: _reminded,
    e.ActionAsked: _action_asked,
    e.IssueGone: _issue_gone,
    e.ReleasePlanUpdated: _release_plan,
}
