"""What every strategy promises, held by the restore of an RDS instance."""

from __future__ import annotations

from typing import Any

import pytest

from bot.incident.plan import Plan
from tests.strategies.elbv2_aws import SOMEBODY
from tests.strategies.rds.shop import RdsShop
from tests.strategies.subjects import Subject
from tests.strategies.test_every_strategy import (
    test_killed_before_and_after_every_effect_it_ends_alike_and_twice_is_once,
    test_planning_changes_nothing_and_a_world_that_moves_stops_the_plan,
    test_undo_restores_what_was_recorded,
)

__all__ = [
    "test_killed_before_and_after_every_effect_it_ends_alike_and_twice_is_once",
    "test_planning_changes_nothing_and_a_world_that_moves_stops_the_plan",
    "test_undo_restores_what_was_recorded",
]

PASSING = ("LatestRestorableTime", "PendingModifiedValues")
"""What changes by itself."""


@pytest.fixture
def subject(shop: RdsShop) -> Subject:
    """shop-db and its snapshots."""

    def described() -> dict[str, Any]:
        found = shop.region.described("shop-db")
        return {key: value for key, value in found.items() if key not in PASSING}

    original = described()["InstanceCreateTime"]

    async def live() -> object:
        return described()

    async def rolled_back() -> bool:
        return bool(described()["InstanceCreateTime"] != original)

    def snapshot_is_deleted(plan: Plan) -> None:
        snapshot = plan.to_release.removeprefix("snapshot ")
        shop.region.client("rds").delete_db_snapshot(DBSnapshotIdentifier=snapshot)
        shop.region.trace("DeleteDBSnapshot", {"dBSnapshotIdentifier": snapshot}, SOMEBODY)

    return Subject(
        shop=shop,
        live=live,
        changes=lambda: len(shop.region.writes()),
        sabotage=snapshot_is_deleted,
        rolled_back=rolled_back,
        at_most=10,  # what a restore cannot pass on takes calls of its own
    )
