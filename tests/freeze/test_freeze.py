"""Deploy freeze: after a proven rollback deploys wait, until people, time or an undo free them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.approval import approve
from bot.core.errors import ForbiddenError, NotFoundError, RefusedError, TemporaryError
from bot.core.values import Actor
from bot.execution import execute
from bot.freeze import freeze
from bot.incident import events as e
from bot.incident.freeze import Freeze
from bot.incident.state import Incident, Phase
from bot.paperwork import conclude
from bot.proof import tripwire
from tests.company.deeds import CONCLUSION, approved, declare, history, planned
from tests.company.harness import Company, Process, catalog_of
from tests.company.shop import BAD, HANG

CATALOG = catalog_of(
    {
        "freeze_for": "4m",
        "verification": {
            "checkpoints": ["10s", "20s", "30s"],
            "judge": {"bucket_seconds": 5, "margin": 0.05},
            "baseline_window": "10m",
        },
    }
)
ANA = Actor(id="cli:ana", name="ana")


@pytest.fixture
async def process(company: Company) -> Process:
    return await company.process(catalog=CATALOG)


@pytest.fixture
async def quiet(company: Company) -> Process:
    """One whose messages nobody reads."""
    return await company.process(catalog=CATALOG, sends=False)


async def _frozen(process: Process, service: str = "checkout") -> Incident:
    incident = await planned(process, service)
    await approved(process, incident)
    return await process.company.until(incident, lambda i: i.frozen_for)


async def _stands(process: Process) -> Freeze | None:
    return await freeze.standing(process.store, "checkout")


def _said(process: Process, incident: Incident) -> str:
    assert incident.channel is not None
    channel = process.company.slack.workspace.channel(incident.channel.channel_id)
    return "\n".join(process.company.said(channel))


async def test_a_proven_rollback_freezes_deploys_and_says_how_to_lift_it(process: Process) -> None:
    incident = await _frozen(process)
    await process.company.clock.advance(30)
    assert incident.judged_at is not None
    until = incident.judged_at + timedelta(minutes=4)
    mark = f"{incident.id} {BAD} until {until:%Y-%m-%dT%H:%M:%SZ}"
    assert process.company.shop.mark == mark
    assert incident.freeze is not None
    assert incident.freeze.marks == ("Deployment shop/checkout",)
    assert incident.freeze.problems == ()
    standing = await _stands(process)
    assert standing is not None
    assert (standing.release, standing.until) == (BAD, until)
    said = _said(process, incident)
    assert said.count("/rollback unfreeze checkout") >= 2  # the card and the post
    assert "Marked on Deployment shop/checkout" in said


async def test_a_rollback_that_is_not_proven_freezes_nothing(quiet: Process) -> None:
    quiet.company.shop.health = 500
    incident = await planned(quiet)
    await approved(quiet, incident)
    await quiet.company.until(incident, lambda i: i.judged)
    await quiet.company.clock.advance(70)
    assert quiet.company.shop.mark is None
    assert "freeze_set" not in await history(quiet, incident)


async def test_a_missing_right_is_told_with_its_remedy_and_the_bots_record_holds(
    process: Process,
) -> None:
    missing = ForbiddenError("The bot may not patch deployments.", "Grant it with rbac.yaml.")
    process.company.shop.script["mark"].append(missing)
    incident = await _frozen(process)
    assert incident.phase is Phase.RECOVERED
    assert incident.freeze is not None
    assert incident.freeze.marks == ()
    (problem,) = incident.freeze.problems
    assert problem.startswith("Deployment shop/checkout: The bot may not patch deployments. Grant")
    assert await _stands(process) is not None
    await process.company.clock.advance(30)
    said = _said(process, incident)
    assert "Grant it with rbac.yaml" in said
    assert "rollback-bot frozen checkout" in said


async def test_a_cluster_that_is_away_for_a_moment_is_marked_when_it_is_back(
    quiet: Process,
) -> None:
    quiet.company.shop.script["mark"] += [TemporaryError("Away.")] * 3
    incident = await _frozen(quiet)
    assert incident.freeze is not None
    assert incident.freeze.marks == ("Deployment shop/checkout",)
    assert "noted" in await history(quiet, incident)
    assert incident.notes == ()


async def test_a_cluster_that_stays_away_holds_neither_the_freeze_nor_the_report_up(
    quiet: Process,
) -> None:
    quiet.company.shop.script["mark"] += [TemporaryError("The cluster is away.")] * 99
    incident = await planned(quiet)
    await approved(quiet, incident)
    await quiet.company.until(incident, lambda i: i.phase is Phase.RECOVERED)
    ben = quiet.company.actor("ben")
    await conclude.resolve(
        quiet.context, incident.id, conclusion=CONCLUSION, actor=ben, request_id="r"
    )
    state = await quiet.company.until(incident, lambda i: i.report, within=timedelta(minutes=10))
    assert state.freeze is not None
    assert state.freeze.problems == ("Deployment shop/checkout: The cluster is away.",)


@pytest.mark.parametrize("point", ["mark", "marked"])
async def test_a_process_killed_before_or_after_the_mark_leaves_the_same_freeze(
    company: Company, point: str
) -> None:
    first = await company.process(catalog=CATALOG)
    incident = await planned(first)
    company.shop.script[point].append(HANG)
    await approved(first, incident)
    await company.clock.run_until(
        lambda: company.shop.calls(point) or None, within=timedelta(hours=1)
    )
    await first.kill()
    second = await company.process(catalog=CATALOG)
    state = await company.until(incident, lambda i: i.frozen_for)
    assert (await history(second, incident)).count("freeze_set") == 1
    assert state.freeze is not None
    assert company.shop.mark == state.freeze.freezes[0].text


@pytest.mark.parametrize("point", ["mark", "marked"])
async def test_while_it_is_being_set_nothing_of_it_is_taken_away(
    quiet: Process, point: str
) -> None:
    """Its document is written, its event is not yet: that looks like one that was lifted."""
    company = quiet.company
    company.shop.script[point].append(HANG)
    incident = await planned(quiet)
    await approved(quiet, incident)
    await company.clock.run_until(lambda: company.shop.calls(point))
    await freeze.look(quiet.context)
    with pytest.raises(RefusedError, match="are not frozen"):
        await freeze.lift(quiet.context, "checkout", actor=company.actor("ben"), request_id="c/1")
    company.shop.release(point)
    state = await company.until(incident, lambda i: i.freeze)
    assert company.shop.calls("unmark") == 0
    assert state.freeze is not None
    assert (await _stands(quiet),) == state.freeze.freezes
    assert company.shop.mark == state.freeze.freezes[0].text


async def test_a_person_of_the_team_lifts_it_once_and_the_mark_goes(process: Process) -> None:
    incident = await _frozen(process)
    ben = process.company.actor("ben")
    await freeze.lift(process.context, "checkout", actor=ben, request_id="command/1")
    with pytest.raises(RefusedError, match="are not frozen"):
        await freeze.lift(process.context, "checkout", actor=ben, request_id="command/1")
    await process.company.clock.advance(70)
    assert process.company.shop.mark is None
    assert await _stands(process) is None
    assert await process.store.documents(freeze.KIND) == ()
    kinds = await history(process, incident)
    assert (kinds.count("freeze_set"), kinds.count("freeze_lifted")) == (1, 1)
    said = _said(process, incident)
    assert "ben lifted the freeze" in said or "Ben" in said
    assert process.company.incidents[incident.id].freeze is None


async def test_a_stranger_is_told_whom_to_ask_and_everything_stays_frozen(
    quiet: Process,
) -> None:
    await _frozen(quiet)
    eve = quiet.company.actor("eve")
    with pytest.raises(RefusedError, match="not in the team") as refused:
        await freeze.lift(quiet.context, "checkout", actor=eve, request_id="command/1")
    assert "status card" in refused.value.remedy
    assert await _stands(quiet) is not None


async def test_a_mark_that_cannot_be_reached_goes_later_also_after_a_restart(
    company: Company,
) -> None:
    first = await company.process(catalog=CATALOG)
    await _frozen(first)
    company.shop.script["unmark"].append(TemporaryError("Away."))
    await freeze.lift(first.context, "checkout", actor=company.actor("ben"), request_id="c/1")
    assert company.shop.mark is not None
    assert await _stands(first) is None
    await first.kill()
    second = await company.process(catalog=CATALOG)
    await company.clock.advance(120)
    assert company.shop.mark is None
    assert await second.store.documents(freeze.KIND) == ()


async def test_an_object_that_is_gone_does_not_keep_the_freeze_alive(quiet: Process) -> None:
    await _frozen(quiet)
    quiet.company.shop.script["unmark"].append(NotFoundError("There is no such Deployment."))
    ben = quiet.company.actor("ben")
    await freeze.lift(quiet.context, "checkout", actor=ben, request_id="c/1")
    assert await quiet.store.documents(freeze.KIND) == ()


async def test_its_end_lifts_it_also_when_the_incident_is_closed(quiet: Process) -> None:
    incident = await _frozen(quiet)
    ben = quiet.company.actor("ben")
    await conclude.resolve(
        quiet.context, incident.id, conclusion=CONCLUSION, actor=ben, request_id="r"
    )
    await quiet.company.until(incident, lambda i: i.report)
    assert incident.judged_at is not None
    left = incident.judged_at + timedelta(minutes=4) - quiet.company.clock.now()
    await quiet.company.clock.advance(left.total_seconds() + 61)
    state = await quiet.journal.load(incident.id)
    assert state.freeze is None
    recorded = await quiet.journal.events(incident.id)
    (lifted,) = [one.event for one in recorded if isinstance(one.event, e.FreezeLifted)]
    assert (lifted.by, lifted.why) == (None, "its time has ended")
    assert quiet.company.shop.mark is None


async def test_an_approved_undo_frees_deploys_before_it_changes_anything(
    quiet: Process,
) -> None:
    incident = await _frozen(quiet)
    ana = quiet.company.actor("ana")
    await execute.request_undo(quiet.context, incident.id, actor=ana, request_id="click/1")
    state = await quiet.company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    assert state.freeze is not None
    assert state.plan is not None
    await approve.approve(
        quiet.context,
        incident.id,
        plan_hash=state.plan.hash,
        actor=quiet.company.actor("ben"),
        request_id="click/2",
    )
    await quiet.company.until(incident, lambda i: i.judged)
    await quiet.company.clock.advance(60)
    kinds = await history(quiet, incident)
    assert kinds.index("freeze_lifted") < len(kinds) - 1 - kinds[::-1].index("execution_started")
    assert kinds.count("freeze_set") == 1
    assert quiet.company.shop.mark is None


async def test_the_next_rollback_of_the_service_freezes_anew(quiet: Process) -> None:
    first = await _frozen(quiet)
    ben = quiet.company.actor("ben")
    await conclude.resolve(
        quiet.context, first.id, conclusion=CONCLUSION, actor=ben, request_id="r"
    )
    await quiet.company.until(first, lambda i: i.report)
    quiet.company.shop.switches.update(switch=BAD, cache=BAD)
    second = await declare(quiet, by="carla")
    await quiet.company.until(second, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    await approved(quiet, second)
    state = await quiet.company.until(second, lambda i: i.frozen_for)
    await quiet.company.clock.advance(120)
    assert (await quiet.journal.load(first.id)).freeze is None
    assert state.freeze is not None
    assert quiet.company.shop.mark == state.freeze.freezes[0].text
    standing = await _stands(quiet)
    assert standing is not None
    assert standing.incident_id == second.id


async def test_at_the_terminal_a_known_name_lifts_it_and_the_record_says_where(
    quiet: Process,
) -> None:
    incident = await _frozen(quiet)
    for name in ("", "eve"):
        with pytest.raises(RefusedError, match="--by NAME"):
            await freeze.lift_at_terminal(
                quiet.context,
                "checkout",
                operator=Actor(id="cli:mallory", name="mallory"),
                name=name,
                request_id=f"t/{name}",
            )
    await freeze.lift_at_terminal(
        quiet.context, "checkout", operator=ANA, name="U0BEN000002", request_id="t/1"
    )
    recorded = await quiet.journal.events(incident.id)
    (lifted,) = [one.event for one in recorded if isinstance(one.event, e.FreezeLifted)]
    assert lifted.by is not None
    assert lifted.by.id == "U0BEN000002"
    assert "terminal of ana" in lifted.why


async def test_an_incident_without_a_channel_has_its_tripwire_too(process: Process) -> None:
    incident = await _frozen(process)
    await tripwire.take_down(process.context, "checkout")
    at_terminal = incident.model_copy(update={"channel": None})
    [wire] = tripwire.wires_of(process.context, at_terminal, (process.company.ops.name,))
    await process.store.put(wire)
    process.company.shop.switches["switch"] = BAD
    await tripwire.look(process.context)
    await process.company.clock.advance(30)
    assert any("is live again" in said for said in process.company.said(process.company.ops))
