"""The end, and the paperwork."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bot.domain import events as e
from bot.domain.changes.base import Changes, Table, taken_up
from bot.domain.incident import ActionState, Incident, Phase


def _resolved(incident: Incident, event: e.Resolved, at: datetime) -> Changes:
    return {
        **taken_up(incident),
        "phase": Phase.RESOLVED,
        "conclusion": event.conclusion,
        "resolved_by": event.by,
        "resolved_at": at,
        "actions": {},
        # The last post tells them; after a relapse they would be told a second time.
        "words": (),
    }


def _action(incident: Incident, index: int, **changes: Any) -> Changes:
    state = incident.actions.get(index, ActionState()).model_copy(update=changes)
    return {"actions": {**incident.actions, index: state}}


CHANGES: Table = {
    e.Resolved: _resolved,
    e.ReportPublished: lambda i, ev, at: {"report": ev},
    e.ChangesCompared: lambda i, ev, at: {"compared": ev},
    e.PostMortemScheduled: lambda i, ev, at: {"post_mortem": ev, "post_mortem_reminded": False},
    e.PostMortemReminded: lambda i, ev, at: {"post_mortem_reminded": True},
    e.ActionFiled: lambda i, ev, at: _action(i, ev.index, url=ev.url),
    e.ActionAsked: lambda i, ev, at: _action(i, ev.index, asked_at=at),
    e.ActionDone: lambda i, ev, at: _action(i, ev.index, done_at=at),
    e.IssueGone: lambda i, ev, at: _action(i, ev.index, gone_at=at, dropped=ev.deleted),
    e.ReleasePlanUpdated: lambda i, ev, at: {"release_plan": ev},
    e.FreezeSet: lambda i, ev, at: {"freeze": ev, "frozen_for": ev.plan_hash},
    e.FreezeLifted: lambda i, ev, at: {"freeze": None},
}
