"""What every strategy promises, held by the three ways to roll a PostgreSQL database back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from bot.catalog.service import ServiceEntry
from bot.engine.world import World
from bot.incident.plan import Plan, Step
from tests.strategies.database.alembic_shop import GOOD, revision
from tests.strategies.database.archived_shop import names
from tests.strategies.database.support import Shop, steps_of
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


@dataclass(frozen=True, kw_only=True)
class _To:
    """A shop that is planned back to releases that are known to be good."""

    shop: Shop
    good: tuple[str, ...]

    @property
    def world(self) -> World:
        return self.shop.world

    @property
    def service(self) -> ServiceEntry:
        return self.shop.service

    async def plan(self) -> Plan:
        return await self.shop.plan(good=self.good)

    async def run(self, step: Step) -> str:
        return await self.shop.run(step)


def _changes(shop: Shop) -> int:
    """Programs that could have changed a database: scripts, and the restore of an archive."""
    scripts = sum(
        bool(given) and not given.startswith("BEGIN READ ONLY") for given in shop.commands.inputs
    )
    restores = sum("pg_restore" in call[0] and "-d" in call for call in shop.commands.calls)
    alembic = sum(
        call[1:2] in {("downgrade",), ("upgrade",)} and "--sql" not in call
        for call in shop.commands.calls
    )
    return scripts + restores + alembic


def _taken(shop: Shop, plan: Plan) -> None:
    """Somebody has data of their own under the name that the plan wants."""
    new = str(steps_of(plan, "restore-archive")[0].action.params["new"])
    shop.sql(f"CREATE DATABASE {new}", "postgres")
    shop.sql("CREATE TABLE precious (id int)", new)


def _subject(
    shop: Shop,
    *,
    live: Callable[[], object],
    goal: Callable[[], bool],
    sabotage: Callable[[Plan], object],
    good: tuple[str, ...] = ("schema 0040",),
) -> Subject:
    async def seen() -> object:
        return live()

    async def reached() -> bool:
        return goal()

    return Subject(
        shop=_To(shop=shop, good=good),
        live=seen,
        changes=lambda: _changes(shop),
        sabotage=sabotage,
        rolled_back=reached,
        at_most=20,  # a swap of databases is several statements
    )


@pytest.fixture(params=["sql", "alembic", "restore"])
def subject(request: pytest.FixtureRequest) -> Subject:
    """Each way in turn."""
    if request.param == "restore":
        kept: Shop = request.getfixturevalue("restorable")
        return _subject(
            kept,
            live=lambda: [names(kept)[kept.database], kept.versions()],
            goal=lambda: kept.versions() == ["0040"],
            sabotage=lambda plan: _taken(kept, plan),
        )
    if request.param == "alembic":
        by_alembic: Shop = request.getfixturevalue("alembic")
        return _subject(
            by_alembic,
            live=lambda: [revision(by_alembic), sorted(by_alembic.schema())],
            goal=lambda: revision(by_alembic) == [("aaa40",)],
            sabotage=lambda plan: by_alembic.sql(
                "UPDATE alembic_version SET version_num = 'aaa43'"
            ),
            good=GOOD,
        )
    shop: Shop = request.getfixturevalue("shop")
    return _subject(
        shop,
        live=lambda: [shop.versions(), sorted(shop.schema())],
        goal=lambda: shop.versions() == ["0040"],
        sabotage=lambda plan: shop.sql("INSERT INTO schema_migrations (version) VALUES ('0043')"),
    )
