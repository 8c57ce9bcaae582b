"""What falls due with time: updates, escalation, expiry. One timer an incident, ids only.

The timer only asks; what is due is decided on the stored events, so that two processes, or a
process that was down, never post twice and never lose a beat.
"""

from __future__ import annotations

from datetime import datetime

import structlog

from bot.core.errors import RefusedError, RollbackBotError
from bot.core.scheduler import Scheduler
from bot.engine.context import Context
from bot.engine.journal import Decision
from bot.incident import events as e
from bot.incident.approval import escalates_at, expires_at
from bot.incident.duties import is_update_due, next_update_at
from bot.incident.state import Incident, Phase

log = structlog.get_logger()


class Beats:
    """Keeps one timer for every open incident."""

    def __init__(self, context: Context, scheduler: Scheduler) -> None:
        self._context = context
        self._scheduler = scheduler

    def schedule(self, incident: Incident) -> None:
        """Set the incident's timer to the next thing that falls due."""
        due = next_due(self._context, incident)
        name = f"beat {incident.id}"
        if due is None:
            self._scheduler.cancel(name)
            return
        self._scheduler.at(name, due, lambda: self._beat(incident.id))

    async def _beat(self, incident_id: str) -> None:
        """Do what is due, and wait for the next: also when another process was faster."""
        incident = await beat(self._context, incident_id)
        if incident is not None:
            self.schedule(incident)

    async def reconcile(self) -> None:
        """Set every open incident's timer: at start-up, and for other processes' incidents."""
        for head in await self._context.store.incidents(open_only=True, limit=10_000):
            try:
                self.schedule(await self._context.journal.at(head))
            except RollbackBotError as error:
                log.warning("timer not set", incident=head.id, error=str(error))
            except Exception:
                # One incident that cannot be read must not silence all others.
                log.exception("timer not set", incident=head.id)


def next_due(context: Context, incident: Incident) -> datetime | None:
    """The next moment at which something is owed without anybody doing anything."""
    moments = [next_update_at(incident, context.catalog.updates.every)] if incident.channel else []
    if incident.phase is Phase.AWAITING_APPROVAL and incident.proposed_at:
        policy = context.catalog.approval_of(incident.declared.service)
        moments.append(expires_at(policy, incident.proposed_at))
        if incident.escalated_at is None:
            moments.append(escalates_at(policy, incident.proposed_at))
    return min((moment for moment in moments if moment is not None), default=None)


async def beat(context: Context, incident_id: str) -> Incident | None:
    """Record everything that is due now; nothing when another process was faster.

    Returns the incident as it is then; None when nothing will ever be due any more.
    """

    def decide(incident: Incident) -> Decision | None:
        due = _due(context, incident, context.clock.now())
        return Decision(events=due) if due else None

    try:
        return await context.journal.record(incident_id, decide)
    except RefusedError:
        # The incident was resolved between the question and the answer: nothing is due.
        return None


def _due(context: Context, incident: Incident, now: datetime) -> tuple[e.AnyEvent, ...]:
    events: list[e.AnyEvent] = []
    # Nothing is posted before there is a place for it.
    if incident.channel and is_update_due(incident, context.catalog.updates.every, now):
        events.append(e.UpdatePosted(number=incident.updates + 1))
    if incident.phase is Phase.AWAITING_APPROVAL and incident.plan and incident.proposed_at:
        policy = context.catalog.approval_of(incident.declared.service)
        if now >= expires_at(policy, incident.proposed_at):
            events.append(e.PlanExpired(plan_hash=incident.plan.hash))
        elif incident.escalated_at is None and now >= escalates_at(policy, incident.proposed_at):
            events.append(e.ApprovalEscalated(plan_hash=incident.plan.hash))
    return tuple(events)
