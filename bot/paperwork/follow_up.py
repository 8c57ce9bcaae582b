"""After the report: late paperwork, the reminder, and actions that are asked after until done.

A document for each incident says that something is still to come; what that is follows from the
incident's events. It is written before the report and removed when nothing is left.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import structlog

from bot.core.backoff import within
from bot.core.errors import RefusedError, RollbackBotError
from bot.core.values import Actor
from bot.engine.context import Context
from bot.engine.engine import each
from bot.engine.journal import Decision
from bot.incident import events as e
from bot.incident.state import ActionState, Incident, Phase
from bot.paperwork import papers
from bot.paperwork.actions import see_issues
from bot.paperwork.model import identity, next_ask, open_actions, reminder_due
from bot.paperwork.papers import BACKOFF, ISSUES_EVERY, KIND, FollowUpState, put
from bot.paperwork.release_plan import STAGES, do_round, owed_papers

log = structlog.get_logger()

LEASE_TTL = timedelta(minutes=2)
"""Longer than one look at an incident takes, beside the rounds of paperwork."""
ISSUES_PATIENCE = timedelta(seconds=30)
"""So long one incident's issues may take; the others are behind it."""


async def look(context: Context) -> None:
    """Look at every document once; called by the scheduler. One failing look stops no other."""
    await each(context, KIND, FollowUpState, _look_at)


async def done(
    context: Context,
    incident_id: str,
    *,
    index: int,
    known_as: str,
    actor: Actor,
    request_id: str,
) -> Incident:
    """A corrective action is done, says whoever sees the question.

    Raises RefusedError when the question is about an action that is none any more.
    """

    def decide(incident: Incident) -> Decision | None:
        actions = incident.conclusion.corrective_actions if incident.conclusion else ()
        if index >= len(actions) or identity(incident, actions[index]) != known_as:
            raise RefusedError(
                "This action is not among the incident's actions any more.",
                "The incident was opened again since; look at its newest messages.",
            )
        if incident.actions.get(index, ActionState()).done_at is not None:
            return None
        return Decision(events=(e.ActionDone(index=index, by=actor),))

    return await context.journal.record(incident_id, decide, request_id=request_id)


async def _look_at(context: Context, state: FollowUpState) -> None:
    """One process at a time, so that nothing is filed twice."""
    # Months may pass in which nothing is to be done: then nothing is written either.
    if not _is_ripe(context, await context.journal.load(state.incident_id), state):
        return
    lease = await context.store.acquire(
        f"follow-up:{state.incident_id}",
        owner=f"follow-up/{uuid.uuid4().hex}",
        ttl=LEASE_TTL + len(STAGES) * context.catalog.paperwork.patience,
        now=context.clock.now(),
    )
    if lease is None:
        return
    try:
        # Whoever had the lease before may have done it.
        present = await papers.load(context, state.incident_id)
        incident = await context.journal.load(state.incident_id)
        if present is not None and _is_ripe(context, incident, present):
            await _follow_up(context, incident, present)
    finally:
        await context.store.release(lease)


def _is_ripe(context: Context, incident: Incident, state: FollowUpState) -> bool:
    """Whether there is something to do now.

    While the incident is open again, or its report is being written, all this waits.
    """
    if incident.phase is not Phase.RESOLVED or incident.report is None:
        return False
    now = context.clock.now()
    return (
        _owes_papers(context, incident, state, now)
        or now >= state.issues_at
        or _due(context, incident, now) is not None
        or _is_over(context, incident, state, now)
    )


def _owes_papers(context: Context, incident: Incident, state: FollowUpState, now: datetime) -> bool:
    return state.try_at <= now < state.until and any(owed_papers(context, incident))


async def _follow_up(context: Context, incident: Incident, state: FollowUpState) -> None:
    now, before = context.clock.now(), state
    if _owes_papers(context, incident, state, now):
        incident = await do_round(context, incident, None)
        pause = timedelta(seconds=BACKOFF.pause(state.tries + 1))
        state = state.model_copy(update={"tries": state.tries + 1, "try_at": now + pause})
    if now >= state.issues_at:
        unseen = await within(
            ISSUES_PATIENCE, see_issues(context, incident, state.unseen), "GitHub"
        )
        if isinstance(unseen, RollbackBotError):
            log.warning("issues not read", incident=incident.id, error=str(unseen))
            unseen = state.unseen
        state = state.model_copy(update={"issues_at": now + ISSUES_EVERY, "unseen": unseen})
    incident = await context.journal.record(
        incident.id, lambda incident: _due(context, incident, context.clock.now())
    )
    if _is_over(context, incident, state, now):
        await context.store.delete(KIND, incident.id)
    elif state != before:
        await put(context, state)


def _due(context: Context, incident: Incident, now: datetime) -> Decision | None:
    """What people are told now, decided on the stored events: no two processes tell it twice."""
    if incident.is_open or incident.resolved_at is None:
        return None
    due: list[e.AnyEvent] = []
    if reminder_due(incident, now, before=context.catalog.post_mortem.remind_before):
        due.append(e.PostMortemReminded())
    for index, action, state in open_actions(incident):
        moment = next_ask(
            action,
            state,
            resolved_at=incident.resolved_at,
            every=context.catalog.paperwork.ask_every,
            hours=context.catalog.post_mortem.calendar,
        )
        if now >= moment:
            due.append(e.ActionAsked(index=index))
    return Decision(events=tuple(due)) if due else None


def _is_over(context: Context, incident: Incident, state: FollowUpState, now: datetime) -> bool:
    """Whether nothing is left that could ever fall due."""
    meeting = incident.post_mortem
    waits = meeting is not None and not incident.post_mortem_reminded and now < meeting.start
    tries = now < state.until and any(owed_papers(context, incident))
    return not waits and not tries and not any(open_actions(incident))
