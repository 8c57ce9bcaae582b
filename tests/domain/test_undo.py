"""Undo: the inverse of what was done, last one first."""

from __future__ import annotations

import pytest

from bot.domain.incident import Undoing
from bot.domain.plan import Milestone, Plan, Step, StepSpec
from bot.domain.undo import undo_plan, undo_steps
from bot.errors import RefusedError
from tests.domain.story import NOON


def _step(name: str, *, changes: bool = True, inverse: bool = True) -> Step:
    back = StepSpec(kind=name, params={"to": "old"}, command=f"undo {name}")
    return Step(
        title=f"Do {name}",
        action=StepSpec(kind=name, params={"to": "new"}),
        expects={"is": "old"},
        inverse=back if inverse else None,
        command=f"do {name}",
        estimate_seconds=2,
        changes=changes,
        milestone=Milestone.SWITCHED,
    )


def _plan(*steps: Step) -> Plan:
    return Plan(
        service="checkout",
        strategy="blue-green",
        from_release="v2.1.0",
        to_release="v2.0.0",
        steps=steps,
        preflights=(),
        approvers=2,
        typed_confirmation="shop",
        observed_at=NOON,
    )


def test_the_last_step_is_taken_back_first_and_waits_come_after_the_changes() -> None:
    plan = _plan(_step("a"), _step("wait", changes=False), _step("b"))
    steps = undo_steps(Undoing(plan=plan, done=(0, 2)))
    assert [step.title for step in steps] == ["Undo: Do b", "Undo: Do a", "Undo: Do wait"]
    assert [step.command for step in steps] == ["undo b", "undo a", "undo wait"]


def test_an_undo_can_itself_be_undone() -> None:
    plan = _plan(_step("a"))
    (step,) = undo_steps(Undoing(plan=plan, done=(0,)))
    assert step.inverse == plan.steps[0].action.model_copy(update={"command": "do a"})


def test_only_what_was_done_is_taken_back() -> None:
    plan = _plan(_step("a"), _step("b"))
    (step,) = undo_steps(Undoing(plan=plan, done=(0,)))
    assert step.title == "Undo: Do a"


def test_nothing_done_is_nothing_to_undo() -> None:
    with pytest.raises(RefusedError, match="nothing to undo"):
        undo_steps(Undoing(plan=_plan(_step("a")), done=()))


def test_a_step_without_inverse_is_named() -> None:
    plan = _plan(_step("a"), _step("drop the table", inverse=False))
    with pytest.raises(RefusedError, match="drop the table"):
        undo_steps(Undoing(plan=plan, done=(0, 1)))


def test_the_undo_goes_the_other_way_and_asks_for_as_much() -> None:
    undoing = Undoing(plan=_plan(_step("a")), done=(0,))
    plan = undo_plan(undoing, undo_steps(undoing), (), observed_at=NOON)
    assert (plan.from_release, plan.to_release) == ("v2.0.0", "v2.1.0")
    assert plan.undoes
    assert (plan.approvers, plan.typed_confirmation) == (2, "shop")
