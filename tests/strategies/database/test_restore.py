"""Restoring a real dump: the checks before, the swap under open connections, the way back."""

# ruff: noqa: S608 - the names are our own.

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bot.core.errors import PermanentError, RefusedError, TemporaryError, WorldMovedError
from bot.engine.world import StepState, World
from bot.incident.plan import Milestone, PreflightVerdict, Step
from sandbox.cluster.base.resources import DEPLOYMENTS, PODS
from sandbox.cluster.base.types import Manifest
from sandbox.cluster.cluster import Cluster
from sandbox.shop import delivery, manifests
from strategies.database.archives import checksum
from strategies.registry import step_kind, strategy
from tests.contracts.store_postgres import find_postgres
from tests.strategies.custom_resources import define
from tests.strategies.database.archived_shop import dump, names
from tests.strategies.database.support import CHECKS, Shop, preflight, reloaded, steps_of
from tests.strategies.support import NAMESPACE


def the(steps: list[Step]) -> Step:
    [step] = steps
    return step


async def test_the_plan_states_the_window_of_loss_and_asks_two_people(restorable: Shop) -> None:
    plan = await restorable.plan()
    assert plan.is_safe, plan.blocks
    assert (plan.from_release, plan.to_release) == ("schema 0042", "schema 0040")
    assert plan.approvers == 2
    assert plan.typed_confirmation == restorable.database
    assert plan.data_loss.startswith(f"Everything written to {restorable.database} after 20")
    assert "ago: all changes since then are lost" in preflight(plan, "Age of the archive").sentence
    assert preflight(plan, "Checksum").verdict is PreflightVerdict.PASS
    assert preflight(plan, "Archive").verdict is PreflightVerdict.PASS
    assert restorable.sent_changes() == 0
    assert list(names(restorable)) == [restorable.database]
    assert plan.hash == (await restorable.plan()).hash == reloaded(plan).hash


async def test_the_archive_takes_the_place_of_the_database_and_the_old_one_is_kept(
    restorable: Shop,
) -> None:
    old = names(restorable)[restorable.database]
    name = restorable.database
    restorable.sql(
        f"ALTER DATABASE {name} SET search_path TO public, pg_temp;"
        f"ALTER DATABASE {name} CONNECTION LIMIT 40; REVOKE CONNECT ON DATABASE {name} FROM PUBLIC"
    )
    plan = await restorable.plan()
    said = await restorable.run_all(plan)
    assert restorable.versions() == ["0040"]
    assert restorable.sql("SELECT count(*) FROM users WHERE email <> ''") == [(5,)]
    assert names(restorable)[f"{name}_old_{old}"] == old
    assert "public.users 6 → 5" in said[2]
    assert "public.oauth_tokens" in said[2]
    [found] = restorable.sql(
        "SELECT setconfig, datconnlimit, datacl::text LIKE '%=T/%' FROM pg_database d"
        f" JOIN pg_db_role_setting s ON d.oid = setdatabase WHERE datname = '{name}'"
    )
    assert found == (["search_path=public, pg_temp"], 40, True)
    with pytest.raises(psycopg.OperationalError, match="not currently accepting connections"):
        restorable.connect(f"{name}_old_{old}")
    milestones = [step.milestone for step in plan.steps if step.milestone]
    assert milestones == [Milestone.SWITCHED, Milestone.DRAINED]
    observed = await strategy("database").observe(restorable.service, restorable.world)
    assert observed.live_release == "schema 0040"


async def test_undo_swaps_back_and_keeps_the_restored_copy(restorable: Shop) -> None:
    before = names(restorable)
    plan = await restorable.plan()
    await restorable.run_all(plan)
    await restorable.undo(plan)
    assert names(restorable)[restorable.database] == before[restorable.database]
    assert restorable.versions() == ["0040", "0041", "0042"]
    assert len(names(restorable)) == 2
    assert [block.name for block in (await restorable.plan()).blocks] == ["Names"]


async def test_a_restore_that_broke_off_is_begun_anew(restorable: Shop) -> None:
    plan = await restorable.plan()
    step = the(steps_of(plan, "restore-archive"))
    new = step.action.params["new"]
    restorable.sql(f"CREATE DATABASE {new}", "postgres")  # killed after createdb
    assert (await step_kind("restore-archive").observe(step, restorable.world)).state is (
        StepState.BEFORE
    )
    restorable.sql("CREATE TABLE users (id int)", str(new))  # killed in the middle of pg_restore
    comment = f"rollback-bot: restoring {step.action.params['sha256']}"
    restorable.sql(f"COMMENT ON DATABASE {new} IS '{comment}'", "postgres")
    await restorable.run_all(plan)
    assert restorable.sql("SELECT count(*) FROM users") == [(5,)]


async def test_a_database_of_somebody_else_under_that_name_is_not_dropped(
    restorable: Shop,
) -> None:
    plan = await restorable.plan()
    step = the(steps_of(plan, "restore-archive"))
    new = str(step.action.params["new"])
    restorable.sql(f"CREATE DATABASE {new}", "postgres")
    restorable.sql("CREATE TABLE precious (id int)", new)
    with pytest.raises(WorldMovedError, match="did not make"):
        await restorable.run(step)
    with pytest.raises(WorldMovedError):
        await step_kind("restore-archive").act(step, restorable.world)
    assert "exists" in preflight(await restorable.plan(), "Names").sentence


def cut(archive: Path, end: int) -> None:
    """A copy that broke off."""
    archive.write_bytes(archive.read_bytes()[:end])


def can_be_listed(archive: Path) -> bool:
    program = str((find_postgres() or Path()) / "pg_restore")
    return not subprocess.run(
        [program, "--list", str(archive)], capture_output=True, check=False
    ).returncode


async def test_a_corrupt_dump_is_blocked_although_its_list_can_be_read(restorable: Shop) -> None:
    # Its data come after those of the version table, which can be read therefore.
    restorable.sql("CREATE TABLE z AS SELECT md5(n::text) FROM generate_series(1, 9000) n")
    archive = dump(restorable, "big.dump")
    cut(archive, -5000)
    assert can_be_listed(archive)
    plan = await restorable.plan("big.dump", good=())
    assert "Archive" in [block.name for block in plan.blocks]
    assert "corrupt" in preflight(plan, "Archive").sentence


async def test_a_file_that_is_no_archive_is_named_and_passed_over(restorable: Shop) -> None:
    broken = Path(restorable.changes["directory"]) / "zzz.dump"
    broken.write_text("-- PostgreSQL database dump\nCREATE TABLE users ();\n", encoding="utf-8")
    plan = await restorable.plan()
    assert "zzz.dump" in preflight(plan, "Other archives").sentence
    assert plan.observed["archive"] == "shop.dump"
    with pytest.raises(RefusedError, match=r"zzz\.dump"):
        await restorable.plan("zzz.dump")
    restorable.changes["pattern"] = "zzz.dump"
    with pytest.raises(RefusedError, match="can be restored"):
        await restorable.plan()


async def test_a_dump_that_breaks_after_the_plan_leaves_the_live_database_alone(
    restorable: Shop,
) -> None:
    plan = await restorable.plan()
    step = the(steps_of(plan, "restore-archive"))
    archive = Path(str(step.action.params["archive"]))
    cut(archive, -500)
    with pytest.raises(WorldMovedError, match="not the file that was approved"):
        await restorable.run(step)
    sha256 = await checksum(str(archive))
    params = {**step.action.params, "sha256": sha256}
    accepted = step.model_copy(update={"action": step.action.model_copy(update={"params": params})})
    with pytest.raises(PermanentError, match=r"pg_restore failed.*") as raised:
        await restorable.run(accepted)
    assert "live database was not touched" in raised.value.remedy
    assert restorable.versions() == ["0040", "0041", "0042"]


async def test_a_wrong_checksum_blocks_and_a_missing_one_does_where_it_is_required(
    restorable: Shop,
) -> None:
    beside = Path(restorable.changes["directory"]) / "shop.dump.sha256"
    beside.write_text(f"{'0' * 64}  shop.dump\n", encoding="utf-8")
    assert [block.name for block in (await restorable.plan()).blocks] == ["Checksum"]
    beside.unlink()
    assert preflight(await restorable.plan(), "Checksum").verdict is PreflightVerdict.WARN
    restorable.changes["checksum_required"] = True
    assert [block.name for block in (await restorable.plan()).blocks] == ["Checksum"]


async def test_an_old_archive_is_warned_about(restorable: Shop) -> None:
    restorable.changes["max_age"] = "1ms"
    assert preflight(await restorable.plan(), "Age of the archive").verdict is PreflightVerdict.WARN


async def test_far_fewer_rows_stop_it_before_the_swap(restorable: Shop) -> None:
    restorable.changes["minimum_share"] = 0.9
    with pytest.raises(PermanentError, match=r"public\.users: 5 of 6"):
        await restorable.run_all(await restorable.plan())
    assert restorable.versions() == ["0040", "0041", "0042"]


async def test_nothing_to_do_when_data_are_sound_and_the_schema_is_the_same(shop: Shop) -> None:
    archive = dump(shop)
    shop.changes = {"method": "restore", "directory": str(archive.parent), "checks": CHECKS[:1]}
    with pytest.raises(RefusedError, match="Nothing to do"):
        await shop.plan()
    plan = await shop.plan("shop.dump")
    assert plan.to_release.startswith("schema 0042 (20")


async def test_without_writers_to_stop_an_open_connection_refuses_the_swap(
    restorable: Shop,
) -> None:
    plan = await restorable.plan()
    with restorable.connect(application_name="checkout") as application:
        with pytest.raises(PermanentError, match=r"Still connected.*checkout"):
            await restorable.run_all(plan)
        assert application.execute("SELECT 1").fetchone() == (1,)
    await restorable.run_all(plan)
    assert restorable.versions() == ["0040"]


async def test_a_kill_between_two_renames_is_made_up_for(restorable: Shop) -> None:
    plan = await restorable.plan()
    swap = the(steps_of(plan, "swap-databases"))
    for step in plan.steps[: plan.steps.index(swap)]:
        await restorable.run(step)
    aside = swap.action.params["aside"]
    restorable.sql(f"ALTER DATABASE {restorable.database} RENAME TO {aside}", "postgres")
    await restorable.run(swap)
    assert restorable.versions() == ["0040"]
    undo = swap.model_copy(update={"action": swap.inverse})
    new = swap.action.params["incoming"]
    restorable.sql(f"ALTER DATABASE {restorable.database} RENAME TO {new}", "postgres")
    await restorable.run(undo)
    assert restorable.versions() == ["0040", "0041", "0042"]


async def test_a_swap_that_cannot_be_made_lets_the_application_in_again(restorable: Shop) -> None:
    plan = await restorable.plan()
    swap = the(steps_of(plan, "swap-databases"))
    for step in plan.steps[: plan.steps.index(swap)]:
        await restorable.run(step)
    aside = swap.action.params["aside"]
    restorable.sql(f"CREATE DATABASE {aside}", "postgres")
    with pytest.raises(WorldMovedError):
        await restorable.run(swap)
    with pytest.raises((PermanentError, TemporaryError)):
        await step_kind("swap-databases").act(swap, restorable.world)
    assert restorable.versions() == ["0040", "0041", "0042"]


async def test_databases_renamed_by_somebody_else_stop_it(restorable: Shop) -> None:
    plan = await restorable.plan()
    restorable.sql(
        f"ALTER DATABASE {restorable.database} RENAME TO {restorable.database}_moved", "postgres"
    )
    restorable.sql(f"CREATE DATABASE {restorable.database}", "postgres")
    found = await step_kind("restore-archive").observe(plan.steps[1], restorable.world)
    assert found.state is StepState.OTHER
    assert "renamed" in found.changed_by


@pytest.fixture
async def with_writers(restorable: Shop, sandbox: Cluster, world: World) -> Shop:
    """payments with two pods writes to the database."""
    for manifest in [*manifests.payments_configuration(), manifests.payments_service()]:
        sandbox.apply(manifest)
    sandbox.apply(manifests.payments_deployment("v2.0.0", replicas=2))
    await delivery.rolled_out(sandbox, "payments")
    restorable.changes["writers"] = ({"namespace": NAMESPACE, "deployment": "payments"},)
    restorable.world = replace(world, commands=restorable.commands)
    return restorable


def replicas(cluster: Cluster) -> Any:
    return cluster.store.get(DEPLOYMENTS, NAMESPACE, "payments")["spec"]["replicas"]


async def test_writers_are_stopped_open_connections_ended_and_writers_started_again(
    with_writers: Shop, sandbox: Cluster
) -> None:
    plan = await with_writers.plan()
    assert plan.is_safe, plan.blocks
    swap = the(steps_of(plan, "swap-databases"))
    with with_writers.connect(application_name="straggler") as straggler:
        for step in plan.steps[: plan.steps.index(swap)]:
            await with_writers.run(step)
        assert sandbox.store.list(PODS, NAMESPACE, labels="app=payments") == []
        straggler.execute("BEGIN; UPDATE users SET email = 'x' WHERE id = 2")
        for step in plan.steps[plan.steps.index(swap) :]:
            await with_writers.run(step)
        with pytest.raises(psycopg.OperationalError):
            straggler.execute("SELECT 1")
    assert with_writers.versions() == ["0040"]
    assert replicas(sandbox) == 2
    await with_writers.undo(plan)
    assert replicas(sandbox) == 2
    assert with_writers.versions() == ["0040", "0041", "0042"]


async def test_keda_is_paused_while_no_writer_may_run_and_resumed_afterwards(
    with_writers: Shop, sandbox: Cluster
) -> None:
    gvr = define(sandbox, "keda.sh", "v1alpha1", "ScaledObject", "scaledobjects")
    spec = {"scaleTargetRef": {"name": "payments"}, "minReplicaCount": 1}
    metadata = {"name": "payments", "namespace": NAMESPACE}
    sandbox.apply(
        {"apiVersion": gvr.api_version, "kind": "ScaledObject", "metadata": metadata, "spec": spec}
    )

    def paused() -> bool:
        marks = sandbox.store.get(gvr, NAMESPACE, "payments")["metadata"].get("annotations") or {}
        return marks.get("autoscaling.keda.sh/paused") == "true"

    plan = await with_writers.plan()
    assert plan.is_safe, plan.blocks
    assert preflight(plan, "Autoscaler").verdict is PreflightVerdict.WARN
    swap = the(steps_of(plan, "swap-databases"))
    for step in plan.steps[: plan.steps.index(swap)]:
        await with_writers.run(step)
    assert (paused(), replicas(sandbox)) == (True, 0)
    for step in plan.steps[plan.steps.index(swap) :]:
        await with_writers.run(step)
    assert (paused(), replicas(sandbox)) == (False, 2)


async def test_a_writer_that_somebody_scales_meanwhile_stops_it_and_names_who(
    with_writers: Shop, sandbox: Cluster
) -> None:
    plan = await with_writers.plan()

    def scaled(deployment: Manifest) -> None:
        deployment["spec"]["replicas"] = 5

    sandbox.store.mutate(DEPLOYMENTS, NAMESPACE, "payments", scaled, manager="kubectl-scale")
    with pytest.raises(WorldMovedError, match="kubectl-scale"):
        await with_writers.run(steps_of(plan, "scale-writers")[0])
