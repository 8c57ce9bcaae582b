"""An RDS instance is restored beside the live one, and both are renamed."""

from __future__ import annotations

import pytest

from bot.core.errors import OutcomeUnknownError, PermanentError, TemporaryError, WorldMovedError
from bot.incident.plan import Milestone, Plan, PreflightVerdict
from strategies.database.rds_instances import RESTORED_TAG, SERVED_TAG, tags_of
from strategies.database.rds_settings import settings_of
from strategies.registry import step_kind, strategy
from tests.strategies.elbv2_aws import SOMEBODY
from tests.strategies.rds.shop import ADJUST, ASIDE, COMPARE, RESTORE, SWAP, VERIFY, RdsShop
from tests.strategies.support import preflight

CHANGES = ["RestoreDBInstanceFromDBSnapshot", "ModifyDBInstance", "AddRoleToDBInstance"]
SWAPS = ["ModifyDBInstance", "AddTagsToResource", "ModifyDBInstance"]


def reloaded(plan: Plan) -> Plan:
    """The plan as another process reads it from the journal."""
    return Plan.model_validate_json(plan.model_dump_json())


def aside(plan: Plan) -> str:
    return str(plan.steps[ASIDE].action.params["new"])


def beside(plan: Plan) -> str:
    return str(plan.steps[RESTORE].action.params["new"])


# What every strategy promises


async def test_observing_planning_and_saving_evidence_change_nothing(shop: RdsShop) -> None:
    chosen = strategy("database")
    observed = await chosen.observe(shop.service, shop.world)
    assert observed.live_release.startswith("shop-db of 20")
    releases = [one.release for one in observed.candidates]
    assert releases == ["snapshot nightly", "snapshot weekly"]
    plan = await shop.plan()
    saved = await chosen.evidence(shop.service, shop.world, release="any")
    assert [one.name for one in saved] == [
        "rds-instance.json",
        "rds-snapshots.json",
        "rds-events.json",
    ]
    assert all("could not be read" not in one.text for one in saved)
    assert shop.region.writes() == []
    assert plan.hash == (await shop.plan()).hash == reloaded(plan).hash


async def test_the_plan_states_the_window_of_loss_and_asks_two_people(shop: RdsShop) -> None:
    plan = await shop.plan()
    assert plan.is_safe, plan.blocks
    assert (plan.approvers, plan.typed_confirmation) == (2, "shop-db")
    assert plan.data_loss.startswith("Everything written to shop-db after 20")
    assert plan.data_loss.endswith(f"it stays in {aside(plan)} only")
    assert "about 20 min" in plan.downtime
    assert "9 h ago: all changes" in preflight(plan, "Age of the restore point").sentence
    assert preflight(plan, "Rights").verdict is PreflightVerdict.PASS
    assert all(step.inverse for step in plan.steps if step.changes)
    milestones = [step.milestone for step in plan.steps if step.milestone]
    assert milestones == [Milestone.SWITCHED, Milestone.DRAINED]
    script = plan.script()
    assert "aws --region eu-central-1 rds restore-db-instance-from-db-snapshot" in script
    assert f"--db-instance-identifier shop-db --new-db-instance-identifier {aside(plan)}" in script


async def test_the_restored_instance_takes_the_name_with_all_settings_and_the_old_one_is_kept(
    shop: RdsShop,
) -> None:
    before, plan = shop.region.described("shop-db"), await shop.plan()
    said = await shop.run_all(plan)
    assert shop.region.names() == sorted(["shop-db", aside(plan)])
    live, kept = shop.region.described("shop-db"), shop.region.described(aside(plan))
    assert settings_of(live) == settings_of(before) == settings_of(kept)
    assert kept["InstanceCreateTime"] == before["InstanceCreateTime"] != live["InstanceCreateTime"]
    assert live["KmsKeyId"] == shop.key
    assert tags_of(live)["team"] == "shop"
    assert {RESTORED_TAG, SERVED_TAG} <= set(tags_of(live))
    assert shop.region.writes() == [*CHANGES, *SWAPS]
    assert "it runs postgres 16.4. Rows were not compared" in said[COMPARE]
    assert said[SWAP].startswith("The instance is called shop-db now, at shop-db.")
    assert "shop-db is the restored instance and is available" in said[VERIFY]
    [instance] = await strategy("database").instances(shop.service, shop.world)
    assert instance.ready
    assert instance.release != plan.from_release


async def test_undo_renames_both_back_and_keeps_the_restored_one(shop: RdsShop) -> None:
    before, plan = shop.region.described("shop-db"), await shop.plan()
    await shop.run_all(plan)
    said = await shop.undo(reloaded(plan))
    after = shop.region.described("shop-db")
    for passing in ("LatestRestorableTime", "PendingModifiedValues"):
        before.pop(passing, None)
        after.pop(passing)
    assert after == before
    assert shop.region.names() == sorted(["shop-db", beside(plan)])
    assert f"stays as {beside(plan)} and is paid for" in said[-1]
    changes = shop.region.writes()
    await shop.undo(plan)
    assert shop.region.writes() == changes
    found = preflight(await shop.plan(), "Names")
    assert found.verdict is PreflightVerdict.BLOCK
    assert "has served since" in found.sentence


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_lost_answer_is_found_out_by_looking(shop: RdsShop, when: str) -> None:
    plan = await shop.plan()
    for number in (RESTORE, ASIDE):
        step = plan.steps[number]
        kind = step_kind(step.action.kind)
        operation = CHANGES[0] if number == RESTORE else "ModifyDBInstance"
        shop.region.faults[operation] = when
        with pytest.raises(OutcomeUnknownError):
            await kind.act(step, shop.world)
        assert (await kind.observe(step, shop.world)).state == when
        for rest in plan.steps[number:ASIDE]:
            await shop.run(rest)
    assert shop.region.writes().count(CHANGES[0]) == (1 if when == "after" else 2)


async def test_a_kill_between_the_two_renames_goes_on_where_it_was(shop: RdsShop) -> None:
    plan = await shop.plan()
    for step in plan.steps[:ASIDE]:
        await shop.run(step)
    await step_kind("rds-rename").act(plan.steps[ASIDE], shop.world)
    shop.region.pass_time(shop.clock.now())  # RDS shows it under neither name for a while
    assert shop.region.names() == [beside(plan)]
    resumed = reloaded(plan)
    with pytest.raises(TemporaryError, match="shows no instance shop-db"):
        await shop.run(resumed.steps[ASIDE])  # the executor waits and looks again
    shop.region.pass_time(shop.clock.now())
    for step in resumed.steps[ASIDE:]:
        await shop.run(step)
    assert shop.region.names() == sorted(["shop-db", aside(plan)])
    assert shop.region.writes() == [*CHANGES, *SWAPS]


# Conflicts


async def test_an_instance_renamed_by_somebody_else_stops_every_step_and_names_who(
    shop: RdsShop,
) -> None:
    plan = await shop.plan()
    shop.region.renamed_by_somebody("shop-db", "shop-db-mine", SOMEBODY)
    with pytest.raises(WorldMovedError, match=r"not the one.*sam@example\.com"):
        await shop.run(plan.steps[RESTORE])
    with pytest.raises(WorldMovedError, match=r"shop-db-mine.*sam@example\.com"):
        await shop.run(plan.steps[ASIDE])
    for number in (RESTORE, ASIDE):
        with pytest.raises(WorldMovedError):
            await step_kind(plan.steps[number].action.kind).act(plan.steps[number], shop.world)
    assert shop.region.writes() == []


async def test_a_snapshot_deleted_after_the_approval_stops_it_and_names_who(
    shop: RdsShop,
) -> None:
    plan = await shop.plan()
    shop.region.client("rds").delete_db_snapshot(DBSnapshotIdentifier="nightly")
    shop.region.trace("DeleteDBSnapshot", {"dBSnapshotIdentifier": "nightly"}, SOMEBODY)
    with pytest.raises(WorldMovedError, match=r"Snapshot nightly is gone.*sam@example\.com"):
        await shop.run(plan.steps[RESTORE])


async def test_a_name_that_somebody_took_meanwhile_is_not_fought_for(shop: RdsShop) -> None:
    plan = await shop.plan()
    await shop.run(plan.steps[RESTORE])
    shop.region.client("rds").create_db_instance(
        DBInstanceIdentifier=aside(plan), Engine="postgres", DBInstanceClass="db.t3.micro"
    )
    with pytest.raises(WorldMovedError, match=f"Another instance is called {aside(plan)}"):
        await shop.run(plan.steps[ASIDE])
    assert "There is an instance" in preflight(await shop.plan(), "Names").sentence


async def test_a_restored_instance_that_somebody_deleted_stops_the_swap(shop: RdsShop) -> None:
    plan = await shop.plan()
    await shop.run(plan.steps[RESTORE])
    shop.region.backend.databases.pop(beside(plan))
    for number in (ADJUST, COMPARE, SWAP):
        with pytest.raises(WorldMovedError):
            await shop.run(plan.steps[number])


# Waiting


async def test_a_state_that_rds_never_leaves_ends_the_wait_at_once(shop: RdsShop) -> None:
    plan = await shop.plan()
    step = plan.steps[RESTORE]
    await step_kind("rds-restore").act(step, shop.world)
    shop.region.backend.databases[beside(plan)].status = "incompatible-restore"
    shop.region.underway.clear()
    start = shop.clock.now()
    with pytest.raises(PermanentError, match="is incompatible-restore"):
        await shop.run(step)
    assert shop.clock.now() == start


async def test_a_restore_without_progress_ends_with_its_last_state(
    shop: RdsShop,
) -> None:
    shop.changes["restore_timeout"] = "90s"
    plan = await shop.plan()
    step = plan.steps[RESTORE]
    await step_kind("rds-restore").act(step, shop.world)
    shop.region.underway.clear()
    start = shop.clock.now()
    with pytest.raises(PermanentError, match=r"After 1 min 30 s without progress.*: creating"):
        await shop.run(step)
    assert (shop.clock.now() - start).total_seconds() == 90


async def test_an_instance_that_is_just_being_backed_up_is_renamed_afterwards(
    shop: RdsShop,
) -> None:
    plan = await shop.plan()
    for step in plan.steps[:ASIDE]:
        await shop.run(step)
    live = shop.live
    live.status = "backing-up"

    def finish() -> None:
        live.status = "available"

    shop.region.underway.append(finish)
    shop.region.faults["ModifyDBInstance"] = "busy"  # it became so once more since we looked
    with pytest.raises(TemporaryError, match="InvalidDBInstanceState"):
        await shop.run(plan.steps[ASIDE])
    await shop.run(plan.steps[ASIDE])
    assert aside(plan) in shop.region.names()


# Settings


async def test_a_parameter_group_that_waits_for_a_reboot_gets_it(
    shop: RdsShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = await shop.plan()
    await shop.run(plan.steps[RESTORE])
    made = shop.region.backend.databases[beside(plan)]
    pending = {"DBParameterGroupName": "shop16", "ParameterApplyStatus": "pending-reboot"}
    applied = {**pending, "ParameterApplyStatus": "in-sync"}
    monkeypatch.setattr(
        type(made),
        "db_parameter_group_status_list",
        property(
            lambda one: [
                pending if one is made and "RebootDBInstance" not in shop.region.calls else applied
            ]
        ),
    )
    await shop.run(plan.steps[ADJUST])
    assert shop.region.writes() == [*CHANGES, "RebootDBInstance"]


async def test_a_setting_that_cannot_be_mended_stops_it_before_the_swap(shop: RdsShop) -> None:
    plan = await shop.plan()
    await shop.run(plan.steps[RESTORE])
    await shop.run(plan.steps[ADJUST])
    shop.region.backend.databases[beside(plan)].vpc_security_group_ids = ["sg-open"]
    with pytest.raises(PermanentError, match="not as the live instance: VpcSecurityGroupIds"):
        await shop.run(plan.steps[COMPARE])
    assert "shop-db" in shop.region.names()


async def test_what_was_left_of_a_broken_off_restore_is_used_as_it_is(shop: RdsShop) -> None:
    plan = await shop.plan()
    await shop.run(plan.steps[RESTORE])  # and then somebody aborted
    again = await shop.plan()
    assert again.is_safe, again.blocks
    assert "never served: it is used as it is" in preflight(again, "Names").sentence
    await shop.run_all(again)
    assert shop.region.writes().count("RestoreDBInstanceFromDBSnapshot") == 1


async def test_it_runs_as_well_where_everything_takes_effect_at_once(shop: RdsShop) -> None:
    shop.region.slow = False
    plan = await shop.plan()
    await shop.run_all(plan)
    await shop.undo(plan)
    assert shop.region.names() == sorted(["shop-db", beside(plan)])
