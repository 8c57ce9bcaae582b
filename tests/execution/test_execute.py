"""An approved plan: each step reached once, whatever happens in between."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.core.errors import OutcomeUnknownError, PermanentError, RefusedError, TemporaryError
from bot.engine import releases
from bot.execution import execute
from bot.execution.execute import PATIENCE, Wish
from bot.incident import events as e
from bot.incident.state import Incident, Phase
from tests.company.deeds import approved, history, planned
from tests.company.harness import Company, Process
from tests.company.shop import GOOD, HANG

SWITCHED = {"switch": GOOD, "cache": GOOD}
STAGES = ("observe", "act", "acted", "confirm")
NO_ANSWER = TemporaryError("The cluster does not answer.")


def _ended(incident: Incident) -> bool:
    return incident.execution is not None


async def _run(company: Company) -> tuple[Process, Incident]:
    """Approve a plan and wait for its end."""
    process = await company.process(sends=False)
    incident = await planned(process)
    await approved(process, incident)
    return process, await company.until(incident, _ended)


async def _hanging_at(company: Company, point: str) -> tuple[Process, Incident]:
    """Approve a plan and wait until a call hangs at a point of it."""
    company.shop.script[point] = [HANG]
    process = await company.process(sends=False)
    incident = await planned(process)
    await approved(process, incident)
    await company.clock.run_until(lambda: company.shop.calls(point))
    return process, incident


async def test_every_step_is_observed_acted_and_confirmed_in_order(company: Company) -> None:
    _, incident = await _run(company)
    assert [record.outcome for record in incident.steps] == [
        e.StepOutcome.ACTED,
        e.StepOutcome.ACTED,
        e.StepOutcome.CHECKED,
    ]
    steps = [p for p in company.shop.log if p.split()[0] in {"observe", "act", "confirm"}]
    assert [point for point in steps if " " in point] == [
        *("observe switch", "act switch", "confirm switch"),
        *("observe cache", "act cache", "confirm cache"),
        *("observe drain", "confirm drain"),
    ]


@pytest.mark.parametrize(
    ("stage", "name"),
    [
        *((stage, name) for stage in STAGES for name in ("switch", "cache")),
        # A check changes nothing, so it has only these two moments.
        ("observe", "drain"),
        ("confirm", "drain"),
    ],
)
async def test_killed_in_a_step_another_process_comes_to_the_same_end(
    company: Company, stage: str, name: str
) -> None:
    process, incident = await _hanging_at(company, f"{stage} {name}")
    await process.kill()
    await company.process(sends=False)
    state = await company.until(incident, _ended)
    assert state.execution is not None
    assert state.execution.outcome is e.ExecutionOutcome.SUCCEEDED
    assert company.shop.switches == SWITCHED
    done = {"act": 2}.get(stage, 1) if name != "drain" else 1
    assert company.shop.calls("act switch") == (done if name == "switch" else 1)
    assert company.shop.calls("act cache") == (done if name == "cache" else 1)
    outcome = state.steps[("switch", "cache", "drain").index(name)].outcome
    if stage in {"acted", "confirm"} and name != "drain":
        assert outcome is e.StepOutcome.ALREADY


async def test_an_answer_lost_after_the_effect_is_not_acted_upon_twice(company: Company) -> None:
    company.shop.script["acted switch"] = [OutcomeUnknownError("The connection broke.")]
    _, incident = await _run(company)
    assert company.shop.calls("act switch") == 1
    assert incident.steps[0].outcome is e.StepOutcome.ALREADY


async def test_an_end_state_that_holds_already_is_left_alone(company: Company) -> None:
    process = await company.process(sends=False)
    incident = await planned(process)
    company.shop.switches["switch"] = GOOD
    await approved(process, incident)
    state = await company.until(incident, _ended)
    assert company.shop.calls("act switch") == 0
    assert state.steps[0].outcome is e.StepOutcome.ALREADY


async def test_a_world_that_moved_stops_with_the_name_of_who_moved_it(company: Company) -> None:
    process = await company.process(sends=False)
    incident = await planned(process)
    company.shop.switches["cache"] = "v1.9.0"
    company.shop.changed_by = "kubectl-edit"
    await approved(process, incident)
    state = await company.until(incident, _ended)
    assert state.phase is Phase.STOPPED
    assert state.execution is not None
    assert state.execution.outcome is e.ExecutionOutcome.CONFLICT
    assert state.execution.what.endswith("cache is at v1.9.0. Changed by kubectl-edit.")
    assert company.shop.switches == {"switch": GOOD, "cache": "v1.9.0"}
    assert company.shop.calls("act cache") == 0


async def test_a_dependency_that_does_not_answer_is_waited_for(company: Company) -> None:
    company.shop.script["observe switch"] = [NO_ANSWER] * 3
    company.shop.script["confirm cache"] = [NO_ANSWER] * 2
    _, incident = await _run(company)
    assert incident.phase is Phase.VERIFYING
    assert company.shop.calls("act cache") == 1


async def test_the_wait_that_the_other_side_asks_for_is_kept(company: Company) -> None:
    company.shop.script["observe switch"] = [TemporaryError("Too many.", retry_after=40)]
    _, incident = await _run(company)
    assert incident.execution_finished_at is not None
    assert incident.execution_started_at is not None
    ran = incident.execution_finished_at - incident.execution_started_at
    assert ran == timedelta(seconds=40)


async def test_patience_ends_and_the_step_fails_with_what_was_wrong(company: Company) -> None:
    company.shop.script["observe switch"] = [NO_ANSWER] * 1000
    _, incident = await _run(company)
    assert incident.phase is Phase.STOPPED
    assert incident.execution is not None
    assert incident.execution.outcome is e.ExecutionOutcome.FAILED
    assert incident.steps[0].failure == "The cluster does not answer."
    assert incident.execution_started_at is not None
    assert incident.execution_finished_at is not None
    waited = incident.execution_finished_at - incident.execution_started_at
    assert PATIENCE <= waited <= PATIENCE + timedelta(seconds=15)


async def test_what_cannot_succeed_fails_at_once(company: Company) -> None:
    company.shop.script["confirm switch"] = [PermanentError("ImagePullBackOff.", "Push it.")]
    process, incident = await _run(company)
    assert incident.execution == e.ExecutionFinished(
        outcome=e.ExecutionOutcome.FAILED, what="ImagePullBackOff.", remedy="Push it."
    )
    assert company.shop.calls("observe cache") == 0
    assert (await history(process, incident))[-2:] == ["step_failed", "execution_finished"]


# -- pause, resume, abort -------------------------------------------------------------------------


async def _steer(process: Process, incident: Incident, wish: Wish, number: int = 1) -> Incident:
    request = f"click/{wish.kind}/{number}"
    return await execute.steer(process.context, incident.id, wish, request_id=request)


async def test_a_pause_holds_at_the_next_boundary_and_resuming_goes_on(company: Company) -> None:
    process, incident = await _hanging_at(company, "confirm switch")
    ben = company.actor("ben")
    await _steer(process, incident, e.PauseRequested(by=ben))
    company.shop.release("confirm switch")
    await company.clock.advance(1800)
    state = company.incidents[incident.id]
    assert (state.phase, state.current_step) == (Phase.EXECUTING, 1)
    assert company.shop.calls("observe cache") == 0
    await _steer(process, incident, e.ResumeRequested(by=ben))
    state = await company.until(incident, _ended)
    assert state.phase is Phase.VERIFYING


async def test_a_pause_outlives_the_process(company: Company) -> None:
    process, incident = await _hanging_at(company, "confirm switch")
    await _steer(process, incident, e.PauseRequested(by=company.actor("ben")))
    await process.kill()
    other = await company.process(sends=False)
    await company.clock.advance(300)
    assert company.shop.calls("observe cache") == 0
    await _steer(other, incident, e.ResumeRequested(by=company.actor("carla")))
    state = await company.until(incident, _ended)
    assert state.phase is Phase.VERIFYING
    assert company.shop.calls("act switch") == 1


@pytest.mark.parametrize("paused_before", [False, True])
async def test_an_abort_ends_at_the_next_boundary_and_says_what_stays_done(
    company: Company, *, paused_before: bool
) -> None:
    process, incident = await _hanging_at(company, "confirm switch")
    ben = company.actor("ben")
    if paused_before:
        await _steer(process, incident, e.PauseRequested(by=ben))
        company.shop.release("confirm switch")
        await company.clock.settle()
    await _steer(process, incident, e.AbortRequested(by=ben))
    if not paused_before:
        company.shop.release("confirm switch")
    state = await company.until(incident, _ended)
    assert state.phase is Phase.STOPPED
    assert state.execution is not None
    assert state.execution.outcome is e.ExecutionOutcome.ABORTED
    assert state.execution.what == "Aborted by ben after 1 of 3 steps."
    assert company.shop.calls("observe cache") == 0


async def test_an_abort_is_not_held_up_by_a_pause_that_comes_after_it(company: Company) -> None:
    process, incident = await _hanging_at(company, "confirm switch")
    await _steer(process, incident, e.AbortRequested(by=company.actor("ben")))
    await _steer(process, incident, e.PauseRequested(by=company.actor("carla")))
    await process.kill()
    await company.process(sends=False)
    state = await company.until(incident, _ended)
    assert state.phase is Phase.STOPPED


async def test_an_execution_that_ends_before_it_changes_anything_marks_no_release(
    company: Company,
) -> None:
    process = await company.process(sends=False)
    incident = await planned(process)
    await approved(process, incident)
    await _steer(process, incident, e.AbortRequested(by=company.actor("ben")))
    state = await company.until(incident, _ended)
    assert not any(record.started_at for record in state.steps)
    assert (await releases.marks(process.context, "checkout")).bad == frozenset()


async def test_the_same_wish_twice_is_recorded_once(company: Company) -> None:
    process, incident = await _hanging_at(company, "confirm switch")
    for number, name in enumerate(("ben", "carla", "ben")):
        await _steer(process, incident, e.PauseRequested(by=company.actor(name)), number)
    kinds = await history(process, incident)
    assert kinds.count("pause_requested") == 1
    for number in range(2):
        wish = e.ResumeRequested(by=company.actor("ben"))
        await _steer(process, incident, wish, number)
    kinds = await history(process, incident)
    assert kinds.count("resume_requested") == 1


async def test_wishes_are_refused_while_nothing_runs(company: Company) -> None:
    process = await company.process(sends=False)
    incident = await planned(process)
    with pytest.raises(RefusedError, match="waiting for approval"):
        await _steer(process, incident, e.AbortRequested(by=company.actor("ben")))


async def test_after_a_stop_a_new_plan_starts_from_what_is_there_now(company: Company) -> None:
    process = await company.process(sends=False)
    incident = await planned(process)
    company.shop.switches["cache"] = "v1.9.0"
    await approved(process, incident)
    await company.until(incident, lambda i: i.phase is Phase.STOPPED)
    wish = e.PlanRequested(by=company.actor("ana"))
    await process.journal.add(incident.id, wish)
    state = await company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    assert (state.approvals, state.steps, state.execution) == ((), (), None)
    await approved(process, incident)
    await company.until(incident, lambda i: i.phase is Phase.VERIFYING)
    assert company.shop.switches == SWITCHED
