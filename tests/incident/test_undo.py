"""Undo: the inverse of what was done, last one first."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.communication.next_action import next_action
from bot.core.errors import RefusedError
from bot.core.values import Actor
from bot.incident import events as e
from bot.incident.fold import fold
from bot.incident.plan import Milestone, Plan, Step, StepSpec
from bot.incident.state import Incident, Phase, Undoing
from bot.incident.transitions import advance, is_allowed, undo_plan, undo_steps
from tests.communication.examples import frame
from tests.incident.story import ALICE, BASELINE, BOB, HEALTHY, NOON, PLAN, Story


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


# -- asked for, and asked for again --------------------------------------------------------------

CARL = Actor(id="U0CARL", name="Carl")
REJECTED = e.PlanRejected(by=BOB, reason="Wait.")
FAILED = e.PlanningFailed(what="The cluster is away.", remedy="Wait for it.")
ENDINGS = (REJECTED, FAILED, e.PlanExpired(plan_hash="x"))


def _ran() -> Story:
    return Story().declared().planned().approved().executed().verified(*HEALTHY)


def _undoing(story: Story) -> Plan:
    undoing = story.incident.undoing
    assert undoing is not None
    return undo_plan(undoing, undo_steps(undoing), (), observed_at=story.now)


def _may_undo(incident: Incident) -> bool:
    return is_allowed(incident, e.UndoRequested)


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.kind)
def test_an_undo_that_came_to_nothing_can_be_asked_for_again(ending: e.AnyEvent) -> None:
    story = _ran().tell(e.UndoRequested(by=ALICE))
    ran = story.incident.ran
    assert ran == Undoing(
        plan=PLAN,
        done=(0,),
        baseline=BASELINE,
        baseline_note="36000 requests before the release",
    )
    if not isinstance(ending, e.PlanningFailed):
        story.planned(_undoing(story))
        assert _may_undo(story.incident), "a plan that is blocked is made anew as an undo"
    story.tell(ending)
    if isinstance(ending, e.PlanExpired):
        assert not _may_undo(story.incident), "it is being planned again as an undo already"
        story.planned(_undoing(story))
    assert _may_undo(story.incident)
    if not isinstance(ending, e.PlanExpired):
        assert "“Undo the rollback”" in next_action(story.incident, frame())
    story.tell(e.UndoRequested(by=ALICE))
    assert (story.incident.phase, story.incident.undoing) == (Phase.PLANNING, ran)


def test_a_new_plan_that_was_rejected_leaves_the_run_to_be_taken_back() -> None:
    story = _ran().tell(e.PlanRequested(by=BOB, target_release="v1.9.0"))
    other = PLAN.model_copy(update={"to_release": "v1.9.0"})
    story.planned(other, baseline=None).tell(REJECTED)
    assert story.incident.steps == ()
    story.tell(e.UndoRequested(by=ALICE))
    assert _undoing(story).from_release == "v2.0.0"
    assert story.incident.baseline == BASELINE, "it is judged by what was normal for that run"


def test_a_run_that_changed_nothing_leaves_the_one_before_to_be_taken_back() -> None:
    story = _ran().tell(e.UndoRequested(by=ALICE))
    undo = _undoing(story)
    story.planned(undo).approved(undo).tell(e.ExecutionStarted(plan_hash=undo.hash))
    story.tell(e.AbortRequested(by=BOB))
    story.tell(e.ExecutionFinished(outcome=e.ExecutionOutcome.ABORTED))
    story.tell(e.UndoRequested(by=ALICE))
    assert story.incident.undoing is not None
    assert story.incident.undoing.plan == PLAN


def test_a_step_that_never_acted_is_not_taken_back() -> None:
    story = _ran().tell(e.UndoRequested(by=ALICE))
    undo = _undoing(story)
    story.planned(undo).approved(undo).tell(e.ExecutionStarted(plan_hash=undo.hash))
    story.tell(e.StepStarted(index=0))
    story.tell(e.StepFailed(index=0, what="It moved.", remedy="Look.", touched=False))
    story.tell(e.ExecutionFinished(outcome=e.ExecutionOutcome.CONFLICT))
    assert "“Undo the rollback” has the undo planned again" in next_action(story.incident, frame())
    story.tell(e.UndoRequested(by=ALICE))
    assert story.incident.undoing is not None
    assert story.incident.undoing.plan == PLAN, "the rollback still stands, whole"


def test_after_an_undo_that_ran_the_undo_is_what_is_taken_back() -> None:
    story = _ran().tell(e.UndoRequested(by=ALICE))
    undo = _undoing(story)
    story.planned(undo).approved(undo).executed(undo).verified(*HEALTHY)
    story.tell(e.UndoRequested(by=BOB))
    assert (_undoing(story).from_release, _undoing(story).to_release) == ("v2.1.0", "v2.0.0")
    assert story.incident.wished_by == BOB


def test_neither_a_relapse_nor_a_new_verification_changes_what_can_be_taken_back() -> None:
    story = _ran()
    ran, judged = story.incident.ran, story.incident.judged
    assert judged is not None
    story.tell(e.VerificationRequested(by=BOB))
    assert not _may_undo(story.incident), "it is being measured"
    story.verified(*HEALTHY).resolved()
    assert not _may_undo(story.incident)
    story.tell(e.Relapsed(judgement=judged.judgement, since=story.now))
    assert story.incident.ran == ran
    assert _may_undo(story.incident)


def test_whoever_repeats_the_wish_for_an_undo_takes_nobodys_place() -> None:
    story = _ran().tell(e.UndoRequested(by=BOB))
    story.planned(_undoing(story)).tell(e.PlanRejected(by=CARL, reason="Wait."))
    story.tell(e.UndoRequested(by=CARL))
    assert story.incident.askers == (ALICE, BOB), "or Bob could approve what he wished for"
    # Given up for an ordinary plan, it is a new wish.
    story.planned(_undoing(story)).tell(e.PlanRequested(by=ALICE))
    story.planned().tell(REJECTED).tell(e.UndoRequested(by=CARL))
    assert story.incident.askers == (ALICE, CARL)


def test_an_undo_in_between_does_not_make_a_wish_for_a_target_nobodys() -> None:
    story = _ran().tell(e.PlanRequested(by=BOB, target_release="v1.9.0"))
    other = PLAN.model_copy(update={"to_release": "v1.9.0"})
    story.planned(other).tell(e.UndoRequested(by=CARL))
    assert story.incident.askers == (ALICE, CARL)
    story.planned(_undoing(story)).tell(e.PlanRequested(by=CARL)).planned(other)
    assert story.incident.askers == (ALICE, BOB), "it goes to the target that Bob wished for"


def test_where_nothing_was_changed_an_undo_is_refused_and_nothing_is_lost() -> None:
    rejected = Story().declared().planned().tell(REJECTED).incident
    assert not _may_undo(rejected)
    with pytest.raises(RefusedError, match="nothing to undo") as refused:
        advance(rejected, (e.UndoRequested(by=ALICE),), NOON + timedelta(hours=1))
    assert "Plan again" in refused.value.remedy


def test_what_cannot_be_taken_back_is_refused_before_the_verdict_is_given_up() -> None:
    plan = _plan(_step("drop the table", inverse=False))
    story = Story().declared().planned(plan).approved(plan).executed(plan).verified(*HEALTHY)
    with pytest.raises(RefusedError, match="drop the table"):
        advance(story.incident, (e.UndoRequested(by=ALICE),), story.now)
    assert story.incident.phase is Phase.RECOVERED


def test_a_wish_that_an_older_bot_took_although_nothing_ran_stays_an_undo() -> None:
    story = Story().declared().planned().approved().tell(e.ExecutionStarted(plan_hash=PLAN.hash))
    story.tell(e.ExecutionFinished(outcome=e.ExecutionOutcome.CONFLICT))
    story.tell(e.UndoRequested(by=ALICE))
    incident = fold("INC-2026-001", story.recorded)
    assert incident.undoing == Undoing(plan=PLAN, done=())
