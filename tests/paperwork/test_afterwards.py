"""After the rollback: the tripwire, and taking it back."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from pydantic import JsonValue

from bot.approval import approve
from bot.communication import buttons, ids
from bot.communication.state import headline
from bot.core.errors import RefusedError, TemporaryError
from bot.engine import releases
from bot.execution import execute
from bot.incident.approval import at_terminal
from bot.incident.state import Incident, Phase
from bot.paperwork import conclude
from bot.proof import relapse, tripwire
from bot.reporting.history import outcome
from tests.company.deeds import CONCLUSION, approved, planned
from tests.company.harness import Company, Process, catalog_of
from tests.company.shop import BAD, GOOD, HANG

BACK = "is live again"


@pytest.fixture
async def process(company: Company) -> Process:
    """A process; the tripwire is looked at by hand."""
    return await company.process(catalog=catalog_of({"tripwire_for": "30m"}))


async def _recovered(process: Process) -> Incident:
    incident = await planned(process)
    await approved(process, incident)
    return await process.company.until(incident, lambda i: i.phase is Phase.RECOVERED)


def _body(wire: tripwire.Tripwire) -> dict[str, JsonValue]:
    return wire.model_dump(mode="json")


def _alarms(process: Process, incident: Incident) -> list[str]:
    assert incident.channel is not None
    channel = process.company.slack.workspace.channel(incident.channel.channel_id)
    return [said for said in process.company.said(channel) if BACK in said]


async def test_the_withdrawn_release_that_comes_back_is_reported_once(process: Process) -> None:
    incident = await _recovered(process)
    await tripwire.look(process.context)
    await process.company.clock.advance(60)
    assert _alarms(process, incident) == []
    process.company.shop.switches["switch"] = BAD
    await tripwire.look(process.context)
    await tripwire.look(process.context)
    await process.company.clock.advance(60)
    (alarm,) = _alarms(process, incident)
    assert "v2.1.0" in alarm
    assert "Assess now" in alarm


async def test_of_several_services_and_several_rollbacks_each_return_is_said(
    process: Process,
) -> None:
    incident = await _recovered(process)
    [laid] = await process.store.documents(tripwire.KIND)
    wire = tripwire.Tripwire.model_validate({**laid.body, "service": "payments"})
    await process.store.put(laid.model_copy(update={"id": wire.id, "body": _body(wire)}))
    process.company.shop.switches["switch"] = BAD
    await tripwire.look(process.context)
    await process.company.clock.advance(60)
    assert len(_alarms(process, incident)) == 2
    # The same incident withdraws the release once more, and it comes back once more.
    [again] = tripwire.wires_of(process.context, process.company.incidents[incident.id], ())
    await process.store.put(again)
    await tripwire.look(process.context)
    await process.company.clock.advance(60)
    assert len(_alarms(process, incident)) == 3
    assert await process.store.documents(tripwire.KIND) == ()


async def test_a_look_takes_down_no_wire_that_was_laid_while_it_looked(process: Process) -> None:
    incident = await _recovered(process)
    process.company.shop.switches["switch"] = BAD
    process.company.shop.script["observe"].append(HANG)
    looking = asyncio.create_task(tripwire.look(process.context))
    await process.company.clock.advance(60)
    state = process.company.incidents[incident.id]
    [newer] = tripwire.wires_of(process.context, state, ())
    await process.store.put(newer)
    process.company.shop.release("observe")
    await looking
    assert await process.store.documents(tripwire.KIND) == (newer,)
    await tripwire.look(process.context)
    await process.company.clock.advance(60)
    assert len(_alarms(process, incident)) == 2


async def test_a_newer_wire_takes_the_place_of_an_older_one_of_the_service(
    process: Process,
) -> None:
    incident = await _recovered(process)
    [laid] = await process.store.documents(tripwire.KIND)
    wire = tripwire.Tripwire.model_validate({**laid.body, "release": GOOD, "laid_at": None})
    assert wire.id == "checkout", "as an older bot has laid it"
    await process.store.put(laid.model_copy(update={"id": wire.id, "body": _body(wire)}))
    await tripwire.look(process.context)
    await process.company.clock.advance(60)
    assert _alarms(process, incident) == []
    assert await process.store.documents(tripwire.KIND) == (laid,)
    await tripwire.take_down(process.context, "checkout")
    assert await process.store.documents(tripwire.KIND) == ()


async def test_a_cluster_that_hangs_keeps_the_wire_up_and_holds_up_no_other(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tripwire, "PATIENCE", timedelta(seconds=0.05))
    incident = await _recovered(process)
    process.company.shop.switches["switch"] = BAD
    process.company.shop.script["observe"].append(HANG)
    async with asyncio.timeout(5):
        await tripwire.look(process.context)
    await tripwire.look(process.context)
    await process.company.clock.advance(60)
    assert len(_alarms(process, incident)) == 1


async def test_a_cluster_that_does_not_answer_keeps_the_wire_up(process: Process) -> None:
    incident = await _recovered(process)
    process.company.shop.switches["switch"] = BAD
    process.company.shop.script["observe"].append(TemporaryError("The cluster is away."))
    await tripwire.look(process.context)
    await tripwire.look(process.context)
    await process.company.clock.advance(60)
    assert len(_alarms(process, incident)) == 1


async def test_the_wire_comes_down_after_its_time(process: Process) -> None:
    incident = await _recovered(process)
    await process.company.clock.advance(timedelta(minutes=31).total_seconds())
    process.company.shop.switches["switch"] = BAD
    await tripwire.look(process.context)
    await process.company.clock.advance(60)
    assert _alarms(process, incident) == []


async def test_an_undo_restores_what_was_recorded_and_takes_the_marks_back(
    process: Process,
) -> None:
    incident = await _recovered(process)
    ana = process.company.actor("ana")
    await execute.request_undo(process.context, incident.id, actor=ana, request_id="click/1")
    incident = await process.company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    assert incident.plan is not None
    assert incident.plan.undoes
    assert incident.plan.is_safe
    assert [step.title[:5] for step in incident.plan.steps] == ["Undo:", "Undo:"]
    assert process.company.shop.switches == {"switch": GOOD, "cache": GOOD}
    await approve.approve(
        process.context,
        incident.id,
        plan_hash=incident.plan.hash,
        actor=process.company.actor("ben"),
        request_id="click/2",
    )
    await process.company.until(incident, lambda i: i.execution is not None)
    assert process.company.shop.switches == {"switch": BAD, "cache": BAD}
    marks = await releases.marks(process.context, "checkout")
    assert BAD not in marks.bad
    await tripwire.look(process.context)
    assert _alarms(process, incident) == []


async def test_who_asks_for_an_undo_does_not_approve_it_alone(process: Process) -> None:
    incident = await _recovered(process)
    ben = process.company.actor("ben")
    await execute.request_undo(process.context, incident.id, actor=ben, request_id="click/1")
    await process.company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    with pytest.raises(RefusedError, match="somebody else has to approve"):
        await approved(process, incident, "ben")
    await approved(process, incident, "carla")
    assert process.company.incidents[incident.id].phase is Phase.APPROVED


async def test_who_asks_for_an_undo_at_the_terminal_does_not_approve_it_in_slack(
    process: Process,
) -> None:
    incident = await _recovered(process)
    await execute.request_undo(
        process.context, incident.id, actor=at_terminal("ben"), request_id="terminal/1"
    )
    await process.company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    with pytest.raises(RefusedError, match="somebody else has to approve"):
        await approved(process, incident, "ben")
    await approved(process, incident, "carla")


async def test_an_undo_that_nobody_approves_in_time_is_planned_again_as_an_undo(
    process: Process,
) -> None:
    incident = await _recovered(process)
    ana = process.company.actor("ana")
    await execute.request_undo(process.context, incident.id, actor=ana, request_id="click/1")
    state = await process.company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    first = state.proposed_at
    state = await process.company.until(
        incident, lambda i: i.phase is Phase.AWAITING_APPROVAL and i.proposed_at != first
    )
    assert state.plan is not None
    assert state.plan.undoes


async def test_a_rejected_undo_is_offered_again_and_runs(process: Process) -> None:
    incident = await _recovered(process)
    ana, ben = process.company.actor("ana"), process.company.actor("ben")
    await execute.request_undo(process.context, incident.id, actor=ana, request_id="click/1")
    state = await process.company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    assert state.plan is not None
    await approve.reject(
        process.context, incident.id, plan_hash=state.plan.hash, actor=ben, reason="Not now."
    )
    await approve.request_plan(
        process.context, incident.id, actor=ana, target="v1.9.0", request_id="view/1"
    )
    state = await process.company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    assert state.plan is not None
    await approve.reject(
        process.context, incident.id, plan_hash=state.plan.hash, actor=ben, reason="Not that."
    )
    state = process.company.incidents[incident.id]
    assert ids.UNDO in {button.action_id for button in buttons.for_status(state)}
    await execute.request_undo(process.context, incident.id, actor=ben, request_id="click/2")
    state = await process.company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    assert state.plan is not None
    assert (state.plan.undoes, state.plan.is_safe) == (True, True)
    with pytest.raises(RefusedError, match="somebody else has to approve"):
        await approved(process, incident, "ben")
    await approved(process, incident, "carla")
    await process.company.until(incident, lambda i: i.execution is not None)
    assert process.company.shop.switches == {"switch": BAD, "cache": BAD}


async def test_a_rejected_undo_leaves_the_rollback_and_its_proof_as_they_were(
    process: Process,
) -> None:
    proven = await _recovered(process)
    ana, ben = process.company.actor("ana"), process.company.actor("ben")
    await execute.request_undo(process.context, proven.id, actor=ana, request_id="click/1")
    state = await process.company.until(proven, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    assert state.plan is not None
    state = await approve.reject(
        process.context, proven.id, plan_hash=state.plan.hash, actor=ben, reason="It works."
    )
    assert "what ran before it stands" in headline(state)
    await relapse.look(process.context)
    assert await process.store.documents(relapse.KIND), "it is watched meanwhile"
    await conclude.resolve(
        process.context, proven.id, conclusion=CONCLUSION, actor=ana, request_id="view/1"
    )
    state = await process.company.until(proven, lambda i: i.report)
    assert headline(state).startswith("✅ Resolved, recovery proven")
    assert (state.plan, state.steps, state.judged) == (proven.plan, proven.steps, proven.judged)
    assert outcome(state).startswith(
        "The rollback to v2.0.0 (rolling) was carried out. Recovery is proven"
    )
    assert state.freeze == proven.freeze
    await relapse.look(process.context)
    assert await process.store.documents(relapse.KIND), "and after it was resolved"


async def test_who_wants_another_target_does_not_approve_it_alone(process: Process) -> None:
    incident = await planned(process)
    ben = process.company.actor("ben")
    for number, target in enumerate(("v1.9.0", None)):
        await approve.request_plan(
            process.context, incident.id, actor=ben, target=target, request_id=f"view/{number}"
        )
        await process.company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
        with pytest.raises(RefusedError, match="somebody else has to approve"):
            await approved(process, incident, "ben")
    await approved(process, incident, "carla")


async def test_whoever_only_repeats_the_wish_may_approve(process: Process) -> None:
    incident = await planned(process)
    ben = process.company.actor("ben")
    await approve.request_plan(
        process.context, incident.id, actor=ben, target=None, request_id="view/1"
    )
    await process.company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    await approved(process, incident, "ben")


async def test_an_undo_that_found_the_world_moved_can_be_asked_for_again(
    process: Process,
) -> None:
    incident = await _recovered(process)
    ana = process.company.actor("ana")
    await execute.request_undo(process.context, incident.id, actor=ana, request_id="click/1")
    await process.company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    # Between the plan and its approval somebody changes what its first step is about.
    process.company.shop.switches["cache"] = "v1.9.9"
    await approved(process, incident)
    await process.company.until(incident, lambda i: i.phase is Phase.STOPPED)
    process.company.shop.switches["cache"] = GOOD
    await execute.request_undo(process.context, incident.id, actor=ana, request_id="click/2")
    state = await process.company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    assert state.plan is not None
    assert (state.plan.is_safe, state.plan.from_release, state.plan.to_release) == (True, GOOD, BAD)
    await approved(process, incident)
    await process.company.until(incident, lambda i: i.execution is not None)
    assert process.company.shop.switches == {"switch": BAD, "cache": BAD}


async def test_an_undo_of_what_somebody_changed_since_is_blocked(process: Process) -> None:
    incident = await _recovered(process)
    process.company.shop.switches["cache"] = "v1.9.9"
    process.company.shop.changed_by = "kubectl-edit"
    ana = process.company.actor("ana")
    await execute.request_undo(process.context, incident.id, actor=ana, request_id="click/1")
    incident = await process.company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    assert incident.plan is not None
    assert not incident.plan.is_safe
    assert "kubectl-edit" in incident.plan.blocks[0].sentence
    [*_, again] = buttons.for_plan(incident, incident.plan)
    assert again.action_id == ids.UNDO
    with pytest.raises(RefusedError, match="not safe") as refused:
        await approved(process, incident, "ben")
    assert "“Undo the rollback”" in refused.value.remedy
    # Mended, it is planned anew as an undo.
    process.company.shop.switches["cache"] = GOOD
    first = incident.proposed_at
    await execute.request_undo(process.context, incident.id, actor=ana, request_id="click/2")
    incident = await process.company.until(incident, lambda i: i.proposed_at != first)
    assert incident.plan is not None
    assert (incident.plan.undoes, incident.plan.is_safe) == (True, True)


async def test_words_added_just_before_the_end_are_told_by_the_last_post_and_only_there(
    process: Process,
) -> None:
    incident = await _recovered(process)
    ana = process.company.actor("ana")
    await conclude.add_words(
        process.context,
        incident.id,
        text="Refunds <are> paid by noon.",
        actor=ana,
        request_id="view/1",
    )
    await conclude.resolve(
        process.context, incident.id, conclusion=CONCLUSION, actor=ana, request_id="view/2"
    )
    state = await process.company.until(incident, lambda i: i.report)
    rows = await process.store.deliveries(incident.id)
    [owed] = [row.delivery for row in rows if row.delivery.id.endswith("/resolved")]
    told = (await process.announcer.draw(owed, process.journal)).payload
    assert "Refunds &lt;are&gt; paid by noon." in str(told["blocks"])
    assert "Refunds &lt;are&gt; paid by noon." in str(told["text"])
    assert state.words == (), "or a relapse would have them told again"
