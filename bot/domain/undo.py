"""Undo: the plan that takes a rollback back, made from the plan that ran."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.incident import Undoing
from bot.domain.plan import Plan, PlanPart, Preflight, Step
from bot.domain.values import Instant
from bot.errors import RefusedError


def undo_refusal(undoing: Undoing | None) -> RefusedError | None:
    """Why this run cannot be taken back; None when it can, as far as the plan tells."""
    if undoing is None or not undoing.done:
        return RefusedError(
            "There is nothing to undo: no step changed anything.", "Press “Plan again”."
        )
    for index in reversed(undoing.done):
        step = undoing.plan.steps[index]
        if step.inverse is None:
            return RefusedError(
                f"This rollback cannot be undone: “{step.title}” cannot be taken back.",
                "Roll forward with a fixed release instead.",
            )
    return None


def undo_steps(undoing: Undoing) -> tuple[Step, ...]:
    """The inverses of the steps that were done, last one first.

    Raises RefusedError when nothing was done, or a step cannot be taken back.
    """
    refusal = undo_refusal(undoing)
    if refusal is not None:
        raise refusal
    done = [undoing.plan.steps[index] for index in reversed(undoing.done)]
    waits = [step for step in undoing.plan.steps if not step.changes and step.inverse]
    # What waits for a change comes after it, in the plan's own order.
    return tuple(_inverted(step) for step in (*done, *waits))


def _inverted(step: Step) -> Step:
    """The step that takes another back. Raises RefusedError when there is none."""
    if step.inverse is None:
        raise RefusedError(f"“{step.title}” cannot be taken back.", "Roll forward instead.")
    return step.model_copy(
        update={
            "title": f"Undo: {step.title}",
            "action": step.inverse,
            # Step kinds compare by their parameters; for people, this is what is taken back.
            "expects": dict(step.action.params),
            "inverse": step.action.model_copy(update={"command": step.command}),
            "command": step.inverse.command or f"# take back by hand: {step.command}",
            # What the step promised for the users does not hold for its inverse.
            "milestone": None,
            "reminder": "",
        }
    )


def _reversed(part: PlanPart) -> PlanPart:
    return part.model_copy(
        update={
            "from_release": part.to_release,
            "to_release": part.from_release,
            # A flag or a schema changes no version in either direction.
            "version_after": "" if part.version_after == "" else None,
        }
    )


def undo_plan(
    undoing: Undoing,
    steps: Sequence[Step],
    preflights: Sequence[Preflight],
    *,
    observed_at: Instant,
) -> Plan:
    """A plan that is approved like any other. It needs as many approvers as the rollback did."""
    before = undoing.plan
    return Plan(
        service=before.service,
        strategy=before.strategy,
        from_release=before.to_release,
        to_release=before.from_release,
        steps=tuple(steps),
        preflights=tuple(preflights),
        not_restored=before.not_restored,
        data_loss=before.data_loss,
        downtime=before.downtime,
        approvers=before.approvers,
        typed_confirmation=before.typed_confirmation,
        version_after="" if before.version_after == "" else None,
        parts=tuple(_reversed(part) for part in reversed(before.parts)),
        undoes=True,
        observed_at=observed_at,
    )
