"""Undo: take a rollback back, by a plan that is checked and approved like any other."""

from __future__ import annotations

from bot.domain import events as e
from bot.domain.incident import Incident, Undoing
from bot.domain.plan import Plan, Preflight, PreflightVerdict, Step
from bot.domain.undo import undo_plan, undo_steps
from bot.domain.values import Actor
from bot.errors import NotFoundError
from bot.pipeline.context import Context
from bot.pipeline.journal import Decision
from bot.ports.world import StepState


async def request_undo(
    context: Context, incident_id: str, *, actor: Actor, request_id: str
) -> Incident:
    """Ask for the plan that takes the rollback back. Changes nothing yet."""
    requested = e.UndoRequested(by=actor)
    return await context.journal.record(
        incident_id, lambda _: Decision(events=(requested,)), request_id=request_id
    )


async def plan_undo(context: Context, undoing: Undoing) -> Plan:
    """The inverse plan, with every inverse step compared with the live system.

    Raises RefusedError when there is nothing to take back or a step cannot be.
    """
    steps = undo_steps(undoing)
    preflights = [await _check(context, number, step) for number, step in enumerate(steps, 1)]
    return undo_plan(undoing, steps, preflights, observed_at=context.clock.now())


async def _check(context: Context, number: int, step: Step) -> Preflight:
    """Whether what the rollback left behind is still there to be taken back."""
    name = f"Step {number}"
    if not step.changes:
        # What it waits for is not there before the steps ahead of it.
        sentence = "Waits for what the steps before it bring back; changes nothing."
        return Preflight(name=name, verdict=PreflightVerdict.PASS, sentence=sentence)
    kind = context.step_kind(step.action.kind)
    try:
        observed = await kind.observe(step, context.world)
    except NotFoundError as error:
        return Preflight(name=name, verdict=PreflightVerdict.BLOCK, sentence=error.what)
    if observed.state is StepState.OTHER:
        by = f" Changed by {observed.changed_by}." if observed.changed_by else ""
        sentence = f"Not what the rollback left behind: {observed.summary}{by}"
        return Preflight(name=name, verdict=PreflightVerdict.BLOCK, sentence=sentence)
    if observed.state is StepState.AFTER:
        sentence = f"Taken back already: {observed.summary}"
        return Preflight(name=name, verdict=PreflightVerdict.WARN, sentence=sentence)
    sentence = f"As the rollback left it: {observed.summary}"
    return Preflight(name=name, verdict=PreflightVerdict.PASS, sentence=sentence)
