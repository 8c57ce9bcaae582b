"""Corrective actions as issues of the service's repository, each filed once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from bot.domain import events as e
from bot.domain.corrective_actions import identity, open_actions
from bot.domain.incident import ActionState, Incident
from bot.pipeline.attempts import Paper, record_if
from bot.pipeline.comparison import place_of
from bot.pipeline.context import Context
from bot.ports.forge import Draft
from bot.ports.store import Lease
from bot.views.issues import issue_body, issue_title, marker

CLOCK_SKEW = timedelta(hours=1)
"""GitHub's clock and ours may differ; looking back further costs nothing."""


def is_owed(context: Context, incident: Incident) -> bool:
    """Whether an open action has no issue yet."""
    place = place_of(context, incident)
    if place is None or place.issues is None:
        return False
    return any(not state.url for _, _, state in open_actions(incident))


async def write(context: Context, incident: Incident, lease: Lease | None) -> None:
    """File what is not filed; each is recorded at once.

    What an earlier attempt left without an answer is found by its mark: GitHub has no key that
    would make filing repeatable.
    """
    place = place_of(context, incident)
    if place is None or place.issues is None:
        return
    known = await context.forge.issues(place, since=incident.opened_at - CLOCK_SKEW)
    for index, action, state in open_actions(incident):
        if state.url:
            continue
        mark = marker(identity(incident, action))
        issue = next((one for one in known if mark in one.body), None)
        if issue is None:
            draft = Draft(
                title=issue_title(action),
                body=issue_body(incident, action, mark),
                owners=tuple(one for one in action.owner.split(", ") if one and "@" not in one),
                labels=place.issues.labels,
            )
            issue = await context.forge.file(place, draft)
        filed = e.ActionFiled(index=index, url=issue.url)
        await record_if(context, incident, filed, _has_none(index), lease=lease)


def _has_none(index: int) -> Callable[[Incident], bool]:
    return lambda now: not now.is_open and not now.actions.get(index, ActionState()).url


PAPER = Paper(name="Issues for corrective actions", is_owed=is_owed, write=write)
