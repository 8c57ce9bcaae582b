"""What became of the issues that corrective actions were filed as."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog

from bot.domain import events as e
from bot.domain.corrective_actions import open_actions
from bot.domain.incident import ActionState, Incident
from bot.errors import NotFoundError, RollbackBotError
from bot.pipeline.comparison import place_of
from bot.pipeline.context import Context
from bot.pipeline.journal import Decide, Decision
from bot.ports.forge import IssueState

log = structlog.get_logger()

UNSEEN_FOR = timedelta(days=7)
"""GitHub hides alike what is not there and what the token may not see. So long it is asked on."""


async def see_issues(
    context: Context, incident: Incident, unseen: Mapping[int, datetime]
) -> dict[int, datetime]:
    """A closed issue is a done action, a deleted one is dropped; one out of sight is given up.

    What cannot be asked now is asked later. The answer is ``unseen`` as it is now: actions whose
    issue is not shown, and since when.
    """
    place = place_of(context, incident)
    if place is None:
        return {}
    now, still = context.clock.now(), dict(unseen)
    for index, _, state in open_actions(incident):
        if not state.url or state.gone_at is not None:
            continue
        try:
            found = await context.forge.issue_state(place, state.url)
        except NotFoundError:
            if now - still.setdefault(index, now) >= UNSEEN_FOR:
                del still[index]
                await _record(context, incident, index, _gone(index, state, deleted=False))
            continue
        except RollbackBotError as error:
            log.warning("issue not read", incident=incident.id, url=state.url, error=str(error))
            continue
        still.pop(index, None)
        if found is IssueState.CLOSED:
            await _record(context, incident, index, e.ActionDone(index=index))
        elif found is IssueState.DELETED:
            await _record(context, incident, index, _gone(index, state, deleted=True))
    return still


def _gone(index: int, state: ActionState, *, deleted: bool) -> e.IssueGone:
    return e.IssueGone(index=index, url=state.url, deleted=deleted)


async def _record(context: Context, incident: Incident, index: int, event: e.AnyEvent) -> None:
    await context.journal.record(incident.id, _while_open(index, event))


def _while_open(index: int, event: e.AnyEvent) -> Decide:
    """Somebody may have pressed the button meanwhile, or another process have told it."""

    def decide(incident: Incident) -> Decision | None:
        still_open = {place for place, _, state in open_actions(incident) if state.gone_at is None}
        return Decision(events=(event,)) if index in still_open else None

    return decide
