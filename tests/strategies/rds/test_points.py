"""Which point an RDS instance goes back to, and what can stand in its way."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from bot.catalog.service import ServiceEntry
from bot.core.errors import NotFoundError, RefusedError
from bot.engine.world import World
from bot.incident.plan import PreflightVerdict
from sandbox.cluster.base.resources import REPLICASETS
from sandbox.cluster.cluster import Cluster
from sandbox.shop import delivery, manifests
from tests.strategies.rds.shop import RESTORE, RdsShop, make_snapshot
from tests.strategies.support import NAMESPACE, preflight

ROOT = Path(__file__).parents[3]
BLOCK, WARN, PASS = PreflightVerdict.BLOCK, PreflightVerdict.WARN, PreflightVerdict.PASS


def said_ago(**ago: float) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).isoformat()


# The point


async def test_a_moment_is_restored_from_the_automated_backups(shop: RdsShop) -> None:
    moment = said_ago(hours=2)
    plan = await shop.plan(moment)
    assert plan.is_safe, plan.blocks
    assert plan.to_release.startswith("data of 20")
    assert (await shop.plan(plan.to_release)).to_release == plan.to_release
    await shop.run_all(plan)
    assert shop.region.writes()[0] == "RestoreDBInstanceToPointInTime"
    asked = datetime.fromisoformat(str(plan.steps[RESTORE].action.params["time"]))
    assert asked == datetime.fromisoformat(moment).replace(microsecond=0)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("2026-03-02T11:55:00", "does not say in which time zone"),
        (said_ago(days=20), "cannot be restored any more"),
        (said_ago(hours=-1), "cannot be restored yet"),
        ("monthly", r"no snapshot or moment “monthly”.*snapshot nightly"),
    ],
    # Processes that run the tests side by side must agree on the names.
    ids=["no zone", "too long ago", "not yet", "no such snapshot"],
)
async def test_what_is_no_point_to_go_back_to_is_refused_with_what_is(
    shop: RdsShop, name: str, why: str
) -> None:
    with pytest.raises(RefusedError, match=why):
        await shop.plan(name)


async def test_without_backups_only_snapshots_are_left(shop: RdsShop) -> None:
    shop.live.backup_retention_period = 0
    with pytest.raises(RefusedError, match="retention is 0 days"):
        await shop.plan(said_ago(hours=2))
    shop.region.backend.database_snapshots.clear()
    with pytest.raises(RefusedError, match="no snapshot that is available"):
        await shop.plan()


async def test_a_snapshot_can_be_named_and_an_old_one_is_warned_about(shop: RdsShop) -> None:
    plan = await shop.plan("weekly")
    assert plan.to_release == "snapshot weekly"
    assert preflight(plan, "Age of the restore point").verdict is WARN
    shop.changes["restore"] = {"snapshot": "weekly"}
    plan = await shop.plan()
    assert plan.to_release == "snapshot weekly"
    assert "what the catalog says" in preflight(plan, "Target release").sentence
    assert "Who is connected is not known" in preflight(plan, "Writers").sentence
    bad = frozenset({"snapshot weekly"})
    assert [one.name for one in (await shop.plan(bad=bad)).blocks] == ["Target release"]


async def test_the_latest_restorable_time_is_taken_where_the_catalog_says_so(
    shop: RdsShop,
) -> None:
    shop.changes["restore"] = {"point_in_time": "latest"}
    plan = await shop.plan()
    assert preflight(plan, "Age of the restore point").verdict is PASS
    assert preflight(plan, "Before the release").verdict is WARN


async def test_without_a_writer_nobody_knows_when_the_release_began(shop: RdsShop) -> None:
    for kind in ("snapshot", "point_in_time"):
        shop.changes["restore"] = {kind: "before-release"}
        with pytest.raises(RefusedError, match="No writer of the catalog tells"):
            await shop.plan()


async def test_the_newest_point_before_a_writer_got_its_release_is_the_default_and_it_is_stopped(
    shop: RdsShop, sandbox: Cluster, world: World
) -> None:
    for manifest in [*manifests.payments_configuration(), manifests.payments_service()]:
        sandbox.apply(manifest)
    sandbox.apply(manifests.payments_deployment("v2.0.0", replicas=1))
    await delivery.rolled_out(sandbox, "payments")
    [made] = sandbox.store.list(REPLICASETS, NAMESPACE)
    released = datetime.fromisoformat(made["metadata"]["creationTimestamp"])
    shop.world = replace(shop.world, cluster=world.cluster)
    make_snapshot(shop.region, "afterwards", released + timedelta(minutes=1))
    shop.changes = {
        "restore": {"snapshot": "before-release"},
        "writers": ({"namespace": NAMESPACE, "deployment": "payments"},),
    }
    plan = await shop.plan()
    assert plan.to_release == "snapshot nightly"
    assert preflight(plan, "Before the release").verdict is PASS
    assert preflight(await shop.plan("afterwards"), "Before the release").verdict is WARN
    kinds = [step.action.kind for step in plan.steps]
    assert kinds.index("rds-restore") < kinds.index("scale-writers") < kinds.index("rds-rename")
    shop.changes["stop_writers"] = "before-restore"
    assert (await shop.plan()).steps[0].action.kind == "scale-writers"
    shop.changes["restore"] = {"point_in_time": "before-release"}
    plan = await shop.plan()
    [stated] = [plan.steps[1].action.params["time"]]
    assert datetime.fromisoformat(str(stated)) == released - timedelta(seconds=1)


# What stands in the way


def stopped(shop: RdsShop) -> None:
    shop.live.status = "stopped"


def unprotected(shop: RdsShop) -> None:
    shop.live.deletion_protection = False


def read_by_a_replica(shop: RdsShop) -> None:
    shop.region.client("rds").create_db_instance_read_replica(
        DBInstanceIdentifier="shop-reader", SourceDBInstanceIdentifier="shop-db"
    )


def snapshot_in_the_making(shop: RdsShop) -> None:
    shop.region.backend.database_snapshots["weekly"].status = "creating"


def snapshot_of_another_major_version(shop: RdsShop) -> None:
    shop.region.backend.database_snapshots["weekly"].engine_version = "15.8"


def snapshot_of_another_instance(shop: RdsShop) -> None:
    shop.region.backend.database_snapshots["weekly"].dbi_resource_id = "db-OTHER"


def key_disabled(shop: RdsShop) -> None:
    shop.region.client("kms").disable_key(KeyId=shop.key.split("/")[1])


def quota_reached(shop: RdsShop) -> None:
    shop.region.quotas = {"DBInstances": (40, 40)}


def reached_through_a_proxy(shop: RdsShop) -> None:
    proxy = mock_proxy("shop-proxy")
    shop.region.backend.db_proxies["shop-proxy"] = proxy


def rights_denied(shop: RdsShop) -> None:
    shop.region.simulation = "implicitDeny"


def owned_by_a_stack(shop: RdsShop) -> None:
    shop.live.tags = [{"Key": "aws:cloudformation:stack-name", "Value": "shop"}]


def password_kept_by_aws(shop: RdsShop) -> None:
    shop.live.update(manage_master_user_password=True)


def mock_proxy(name: str) -> Any:
    class Target:
        rds_resource_id = "shop-db"
        type = "RDS_INSTANCE"

    class Group:
        targets = (Target(),)

    class Proxy:
        db_proxy_name = name
        proxy_target_groups = {"default": Group()}  # noqa: RUF012 - as moto's own class

    return Proxy()


@pytest.mark.parametrize(
    ("happened", "name", "verdict", "said"),
    [
        (stopped, "Instance", BLOCK, "shop-db is stopped"),
        (unprotected, "Instance", WARN, "it can be deleted"),
        (read_by_a_replica, "Read replicas", WARN, "shop-reader stay with the old instance"),
        (snapshot_in_the_making, "Snapshot", BLOCK, "weekly is creating"),
        (snapshot_of_another_major_version, "Snapshot", BLOCK, "15.8"),
        (snapshot_of_another_instance, "Snapshot", WARN, "db-OTHER"),
        (key_disabled, "Encryption key", BLOCK, "is Disabled"),
        (quota_reached, "Quota", BLOCK, "DBInstances 40 of 40"),
        (reached_through_a_proxy, "RDS Proxy", BLOCK, "shop-proxy would go on"),
        (rights_denied, "Rights", BLOCK, "rds:ModifyDBInstance"),
        (owned_by_a_stack, "Infrastructure as code", WARN, "CloudFormation stack shop"),
        (password_kept_by_aws, "Master password", WARN, "another secret"),
    ],
)
async def test_what_is_in_the_way_is_told_before_the_approval(
    shop: RdsShop,
    happened: Callable[[RdsShop], None],
    name: str,
    verdict: PreflightVerdict,
    said: str,
) -> None:
    happened(shop)
    try:
        found = preflight(await shop.plan("weekly"), name)
    finally:
        shop.region.client("kms").enable_key(KeyId=shop.key.split("/")[1])
    assert found.verdict is verdict
    assert said in found.sentence


async def test_what_aws_does_not_answer_is_unknown_and_not_passed(shop: RdsShop) -> None:
    shop.region.simulation = None
    shop.region.quotas = None
    plan = await shop.plan()
    assert preflight(plan, "Rights").verdict is WARN
    assert preflight(plan, "Quota").verdict is WARN


async def test_what_is_not_a_single_instance_is_refused(shop: RdsShop) -> None:
    shop.live.source_db_instance_identifier = "shop-main"
    with pytest.raises(RefusedError, match="read replica of shop-main"):
        await shop.plan()
    shop.live.db_cluster_identifier = "shop-cluster"
    with pytest.raises(RefusedError, match="belongs to the cluster shop-cluster"):
        await shop.plan()
    shop.changes["instance"] = "shop-other"
    with pytest.raises(NotFoundError, match="no RDS instance shop-other"):
        await shop.plan()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"instance": "shop-db.abc.eu-central-1.rds.amazonaws.com"}, "neither its endpoint"),
        ({"instance": "shop--db"}, "single hyphens"),
        ({"restore": {"point_in_time": "2026-03-02T11:55:00"}}, "timezone"),
        ({"region": "europe"}, "region"),
    ],
)
def test_a_catalog_entry_that_rds_would_not_understand_is_refused(
    change: dict[str, Any], message: str
) -> None:
    entry = {
        "strategy": "database",
        "method": "rds",
        "region": "eu-central-1",
        "instance": "shop-db",
        **change,
    }
    with pytest.raises(ValidationError, match=message):
        ServiceEntry.model_validate({"rollback": [entry]})


# Documents


async def test_the_iam_document_allows_every_call_that_is_made(shop: RdsShop) -> None:
    await shop.run((await shop.plan(said_ago(hours=2))).steps[RESTORE])
    await shop.run_all(await shop.plan())
    document = json.loads((ROOT / "deploy" / "iam" / "rds.json").read_text(encoding="utf-8"))
    allowed = {action for one in document["Statement"] for action in one["Action"]}
    assert {f"rds:{call}" for call in shop.region.calls} <= allowed
    forbidden = [action for action in allowed if "Delete" in action]
    assert forbidden == []


def test_the_example_of_the_documentation_is_valid() -> None:
    text = (ROOT / "docs" / "strategies" / "database.md").read_text(encoding="utf-8")
    blocks = [block.split("```")[0] for block in text.split("```yaml")[1:]]
    for block in blocks:
        target = ServiceEntry.model_validate(yaml.safe_load(block)).rollback[0]
        assert target.strategy == "database"
    assert any("method: rds" in block for block in blocks)
