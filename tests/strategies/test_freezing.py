"""The mark of a deploy freeze: where it stands, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from bot.catalog.service import ServiceEntry
from bot.catalog.target import STRATEGIES
from bot.core.errors import ForbiddenError
from bot.engine.world import World
from bot.incident.freeze import ANNOTATION, TAG, AwsResource, ClusterObject, Freeze
from sandbox.cluster.base.resources import DEPLOYMENTS, REPLICASETS
from sandbox.shop import delivery, manifests
from strategies.freezing import DeployFreezer
from tests.strategies.conftest import connected
from tests.strategies.elbv2_shop import AwsShop
from tests.strategies.support import NAMESPACE, Shop
from tests.strategies.test_undo_waits import undoing

FREEZER = DeployFreezer()
FREEZE = Freeze(
    service="payments",
    incident_id="INC-2026-001",
    plan_hash="abc",
    release="v2.1.0",
    until=datetime(2026, 11, 28, 10, tzinfo=UTC),
)
TEXT = "INC-2026-001 v2.1.0 until 2026-11-28T10:00:00Z"
NOWHERE = cast("World", None)


def marks_on(shop: Shop) -> dict[str, str]:
    found: dict[str, str] = shop.get(DEPLOYMENTS, "payments")["metadata"]["annotations"]
    return found


async def marked(shop: Shop) -> ClusterObject:
    (one,) = await FREEZER.objects(shop.service, "rolling", shop.world)
    assert isinstance(one, ClusterObject)
    await FREEZER.mark(one, FREEZE, shop.world)
    return one


async def test_the_mark_is_an_annotation_that_starts_no_rollout_and_is_written_once(
    rolling: Shop,
) -> None:
    before = {pod["metadata"]["uid"] for pod in rolling.pods("payments")}
    sets = len(rolling.cluster.store.list(REPLICASETS, NAMESPACE))
    one = await marked(rolling)
    writes = len(rolling.changes())
    await FREEZER.mark(one, FREEZE, rolling.world)
    assert marks_on(rolling)[ANNOTATION] == TEXT
    # A Deployment's generation rises with its annotations, but no pod is replaced.
    await delivery.rolled_out(rolling.cluster, "payments")
    assert {pod["metadata"]["uid"] for pod in rolling.pods("payments")} == before
    assert len(rolling.cluster.store.list(REPLICASETS, NAMESPACE)) == sets
    assert len(rolling.changes()) == writes == 1
    await FREEZER.unmark(one, FREEZE, rolling.world)
    await FREEZER.unmark(one, FREEZE, rolling.world)
    assert ANNOTATION not in marks_on(rolling)
    assert len(rolling.changes()) == writes + 1


async def test_an_object_without_annotations_gets_its_first(rolling: Shop) -> None:
    service = {"strategy": "rolling", "namespace": NAMESPACE, "deployment": "bare"}
    deployment = manifests.payments_deployment("v2.0.0", replicas=0)
    deployment["metadata"] = {"name": "bare", "namespace": NAMESPACE}
    deployment["spec"]["paused"] = True
    rolling.cluster.apply(deployment)
    rolling.edit(DEPLOYMENTS, "bare", lambda found: found["metadata"].pop("annotations", None))
    entry = ServiceEntry.model_validate({"rollback": [service]})
    (one,) = await FREEZER.objects(entry, "rolling", rolling.world)
    await FREEZER.mark(one, FREEZE, rolling.world)
    assert rolling.get(DEPLOYMENTS, "bare")["metadata"]["annotations"][ANNOTATION] == TEXT


async def test_a_later_freezes_mark_is_not_taken_away_with_an_older_one(rolling: Shop) -> None:
    one = await marked(rolling)
    later = FREEZE.model_copy(update={"incident_id": "INC-2026-002"})
    await FREEZER.mark(one, later, rolling.world)
    await FREEZER.unmark(one, FREEZE, rolling.world)
    assert marks_on(rolling)[ANNOTATION] == later.text


async def test_going_back_neither_takes_the_mark_away_nor_brings_an_old_one_back(
    rolling: Shop,
) -> None:
    await rolling.run_all(await rolling.plan())
    one = await marked(rolling)
    await rolling.cluster.until(lambda: "payments" in str(copies(rolling)))
    rolling.cluster.apply(manifests.payments_deployment("v2.1.0", replicas=2))
    await delivery.rolled_out(rolling.cluster, "payments")
    # The mark of the live Deployment stays, whatever its ReplicaSets were copied.
    plan = await rolling.plan()
    assert ANNOTATION not in str(plan.steps[0].action.params["annotations"])
    await rolling.run_all(plan)
    assert marks_on(rolling)[ANNOTATION] == TEXT
    # Once it is lifted, the copy in a ReplicaSet does not come back with an undo.
    await FREEZER.unmark(one, FREEZE, rolling.world)
    undo = undoing(plan)[0]
    await rolling.run(undo)
    assert ANNOTATION not in marks_on(rolling)


def copies(shop: Shop) -> list[str]:
    """ReplicaSets that the Deployment's controller has given a copy of the mark."""
    found = shop.cluster.store.list(REPLICASETS, NAMESPACE)
    return [
        str(one["metadata"]["name"])
        for one in found
        if ANNOTATION in one["metadata"].get("annotations", {})
    ]


async def test_a_missing_right_is_named(rolling: Shop, tmp_path: Path) -> None:
    async with connected(rolling.cluster, tmp_path, user="reader") as client:
        reader = replace(rolling.world, cluster=client)
        (one,) = await FREEZER.objects(rolling.service, "rolling", reader)
        with pytest.raises(ForbiddenError, match="patch"):
            await FREEZER.mark(one, FREEZE, reader)


async def test_what_switches_the_traffic_on_aws_is_tagged(either_place: AwsShop) -> None:
    shop = either_place

    def tags() -> list[dict[str, str]]:
        found = shop.aws.client("elbv2").describe_tags(ResourceArns=[shop.place])
        return cast(list[dict[str, str]], found["TagDescriptions"][0]["Tags"])

    (one,) = await FREEZER.objects(shop.service, "blue-green-elbv2", shop.world)
    strange = FREEZE.model_copy(update={"release": "v2.1.0 (späte, Änderung)"})
    await FREEZER.mark(one, strange, shop.world)
    assert {"Key": TAG, "Value": TEXT.replace("v2.1.0", "v2.1.0 _späte_ Änderung_")} in tags()
    await FREEZER.mark(one, FREEZE, shop.world)
    await FREEZER.unmark(one, strange, shop.world)
    assert {"Key": TAG, "Value": TEXT} in tags()
    await FREEZER.unmark(one, FREEZE, shop.world)
    assert TAG not in str(tags())
    assert isinstance(one, AwsResource)
    gone = one.model_copy(update={"arn": f"{one.arn[:-4]}0000"})
    await FREEZER.unmark(gone, FREEZE, shop.world)


PLACES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "rolling": (
        {"namespace": "shop", "kind": "StatefulSet", "workload": "db"},
        ["StatefulSet shop/db"],
    ),
    "recreate": ({"namespace": "shop", "deployment": "a"}, ["Deployment shop/a"]),
    "blue-green": (
        {"namespace": "shop", "service": "s", "deployments": {"blue": "b", "green": "g"}},
        ["Deployment shop/b", "Deployment shop/g"],
    ),
    "canary": (
        {"namespace": "shop", "traffic": "argo-rollouts", "rollout": "r"},
        ["Rollout shop/r"],
    ),
    "database": (
        {
            "method": "sql-migrations",
            "database": "shop",
            "directory": "migrations",
            "writers": [{"namespace": "shop", "deployment": "w"}],
        },
        ["Deployment shop/w"],
    ),
    "feature-flag": ({"provider": "http", "url": "http://flags", "flag": "f"}, []),
}


@pytest.mark.parametrize("name", sorted(set(STRATEGIES.names) - {"composed", "blue-green-elbv2"}))
async def test_every_strategy_says_what_a_deployment_would_change(name: str) -> None:
    target, expected = PLACES[name]
    entry = ServiceEntry.model_validate({"rollback": [{"strategy": name, **target}]})
    found = await FREEZER.objects(entry, name, NOWHERE)
    assert [str(one) for one in found] == expected


async def test_a_composed_rollback_marks_what_its_parts_do_each_once() -> None:
    parts = ["feature-flag", "rolling", "recreate"]
    rollback = [
        {"strategy": "composed", "parts": parts},
        *({"strategy": name, **PLACES[name][0]} for name in parts),
    ]
    entry = ServiceEntry.model_validate({"rollback": rollback})
    found = await FREEZER.objects(entry, "composed", NOWHERE)
    assert [str(one) for one in found] == ["StatefulSet shop/db", "Deployment shop/a"]
