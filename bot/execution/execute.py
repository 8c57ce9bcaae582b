"""Execute: the journal of an approved plan.

The rule for each step is intent -> observe -> act if needed -> confirm -> result. The intent is
stored before anything is touched, and observing tells an interrupted step's effect, so that a
process killed anywhere goes on where it was and does nothing twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import structlog

from bot.core.backoff import Backoff, retried
from bot.core.errors import (
    NotFoundError,
    PermanentError,
    RefusedError,
    TemporaryError,
    WorldMovedError,
)
from bot.core.values import Actor
from bot.engine import releases
from bot.engine.context import Context
from bot.engine.journal import Decision
from bot.engine.world import Observed, StepState
from bot.execution import multi_service, reminders
from bot.incident import events as e
from bot.incident.plan import Plan, Preflight, PreflightVerdict, Step
from bot.incident.state import Incident, Phase, Undoing
from bot.incident.transitions import undo_plan, undo_steps
from bot.proof import tripwire
from bot.store.values import Lease

log = structlog.get_logger()

PATIENCE = timedelta(minutes=10)
"""How long a step is tried while its dependency does not answer."""
BACKOFF = Backoff(first=0.5, longest=15.0)

Wish = e.PauseRequested | e.ResumeRequested | e.AbortRequested


@dataclass(kw_only=True)
class _Trial:
    """What is known about a step that is being tried, however it ends."""

    touched: bool
    """Whether it may have changed something by now."""


@dataclass(frozen=True, kw_only=True)
class _Reached:
    outcome: e.StepOutcome
    observed: Observed
    summary: str


async def execute(context: Context, incident: Incident, lease: Lease) -> None:
    """Duty EXECUTE: run the approved plan from its first unfinished step on."""
    if incident.phase is Phase.APPROVED:
        incident = await _start(context, incident, lease)
    if not await multi_service.holds(context, incident, lease):
        return
    await _remember(context, incident)
    while (index := incident.current_step) is not None:
        if incident.abort_by is not None:
            await _abort(context, incident, lease)
            return
        if incident.paused_by is not None:
            return
        if not await _run_step(context, incident, index, lease):
            return
        incident = await context.journal.load(incident.id)
    finished = e.ExecutionFinished(outcome=e.ExecutionOutcome.SUCCEEDED)
    await context.journal.add(incident.id, finished, lease=lease)


async def _start(context: Context, incident: Incident, lease: Lease) -> Incident:
    if incident.plan is None:
        raise RefusedError(f"{incident.id} has no plan.", "Press “Plan again”.")
    started = e.ExecutionStarted(plan_hash=incident.plan.hash)
    return await context.journal.add(incident.id, started, lease=lease)


async def _remember(context: Context, incident: Incident) -> None:
    """What the beginning of an execution means for the releases; repeated after a death.

    After the execution has begun, so that none that never begins leaves a mark, and before the
    first change: from now on nobody should be offered the withdrawn release.
    """
    plan = incident.plan
    begun = any(record.started_at for record in incident.steps)
    if plan is None or begun or incident.abort_by is not None:
        return
    for part in plan.moved:
        if plan.undoes:
            # People decided that the withdrawn release was not the cause.
            await releases.forget(context, part.service, part.to_release)
            await tripwire.take_down(context, part.service)
        else:
            await releases.mark(context, part.service, part.from_release, "bad", incident.id)


async def _abort(context: Context, incident: Incident, lease: Lease) -> None:
    by = incident.abort_by.name if incident.abort_by else "somebody"
    done = sum(record.finished_at is not None for record in incident.steps)
    finished = e.ExecutionFinished(
        outcome=e.ExecutionOutcome.ABORTED,
        what=f"Aborted by {by} after {done} of {len(incident.steps)} steps.",
        remedy="Steps that were done stay done. Press “Plan again” for a plan from here.",
    )
    await context.journal.add(incident.id, finished, lease=lease)


async def _run_step(context: Context, incident: Incident, index: int, lease: Lease) -> bool:
    """Run one step; False when the execution has ended with it."""
    step = incident.plan.steps[index] if incident.plan else None
    if step is None:
        raise RefusedError(f"{incident.id} has no plan.", "Press “Plan again”.")
    # What was interrupted may have acted before.
    trial = _Trial(touched=incident.steps[index].started_at is not None)
    await context.journal.add(incident.id, e.StepStarted(index=index), lease=lease)
    try:
        reached = await _reach(context, step, trial)
    except (PermanentError, TemporaryError) as error:
        await _fail(context, incident, index, error, trial=trial, lease=lease)
        return False
    finished = e.StepFinished(
        index=index,
        outcome=reached.outcome,
        summary=reached.summary,
        facts=reached.observed.facts,
    )
    left = reminders.of_step(context, incident, index)
    await context.journal.add(incident.id, finished, lease=lease, documents=left)
    return True


async def _reach(context: Context, step: Step, trial: _Trial) -> _Reached:
    """Bring a step to its end state, waiting out a dependency that does not answer.

    After every failed attempt the live system is observed again, so that an attempt whose
    outcome is unknown is never simply repeated.
    """

    async def attempt() -> _Reached:
        try:
            return await _attempt(context, step, trial)
        except TemporaryError as error:
            log.warning("step interrupted", step=step.title, error=str(error))
            raise

    # The last attempt is made when patience is over, not before.
    patience = PATIENCE + timedelta(seconds=BACKOFF.longest)
    return await retried(attempt, BACKOFF, clock=context.clock, patience=patience)


async def _attempt(context: Context, step: Step, trial: _Trial) -> _Reached:
    kind = context.step_kind(step.action.kind)
    observed = await kind.observe(step, context.world)
    if observed.state is StepState.OTHER:
        by = f" Changed by {observed.changed_by}." if observed.changed_by else ""
        raise WorldMovedError(
            f"The live system is not what was approved: {observed.summary}{by}",
            "Nothing was done. Press “Plan again” for a plan that fits what is there now.",
        )
    trial.touched = True
    outcome = e.StepOutcome.ALREADY
    if not step.changes:
        outcome = e.StepOutcome.CHECKED
    elif observed.state is StepState.BEFORE:
        await kind.act(step, context.world)
        outcome = e.StepOutcome.ACTED
    summary = await kind.confirm(step, context.world)
    return _Reached(outcome=outcome, observed=observed, summary=summary)


async def _fail(
    context: Context,
    incident: Incident,
    index: int,
    error: PermanentError | TemporaryError,
    *,
    trial: _Trial,
    lease: Lease,
) -> None:
    moved = isinstance(error, WorldMovedError)
    outcome = e.ExecutionOutcome.CONFLICT if moved else e.ExecutionOutcome.FAILED
    remedy = error.remedy or "Mend the cause, then press “Plan again”."
    failed = e.StepFailed(index=index, what=error.what, remedy=remedy, touched=trial.touched)
    finished = e.ExecutionFinished(outcome=outcome, what=error.what, remedy=remedy)
    # What a step has done before it failed stands all the same.
    left = reminders.of_step(context, incident, index)
    await context.journal.add(incident.id, failed, finished, lease=lease, documents=left)


async def steer(context: Context, incident_id: str, wish: Wish, *, request_id: str) -> Incident:
    """Record a person's wish to pause, resume or abort; it holds at the next step boundary.

    The same wish twice is recorded once. Raises RefusedError when nothing is running.
    """

    def decide(incident: Incident) -> Decision | None:
        known = {
            # What is being aborted is not paused: it would wait for somebody to resume it.
            e.PauseRequested: incident.paused_by is not None or incident.abort_by is not None,
            e.ResumeRequested: incident.paused_by is None,
            e.AbortRequested: incident.abort_by is not None,
        }[type(wish)]
        return None if known else Decision(events=(wish,))

    return await context.journal.record(incident_id, decide, request_id=request_id)


# Undo: take a rollback back, by a plan that is checked and approved like any other.


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
