"""The data of both RDS instances are compared by psql, at their own endpoints."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.core.errors import PermanentError, TemporaryError
from strategies.database.rds_settings import SqlComparison
from tests.contracts.store_postgres import PostgresServer, find_postgres
from tests.strategies.database.support import RecordedCommands
from tests.strategies.rds.shop import COMPARE, VERIFY, RdsShop


class Dns(RecordedCommands):
    """Leads each instance's endpoint to a database of the tests' own server."""

    def __init__(self, server: PostgresServer) -> None:
        super().__init__()
        self.server = server

    async def run(self, argv: Any, *, environment: Any = None, **more: Any) -> Any:
        host = str((environment or {}).get("PGHOST", ""))
        database = "shop_restored" if "restored" in host else "shop_live"
        place = {**(environment or {}), "PGHOST": str(self.server.home), "PGPORT": "5432"}
        words = [database if word == "shop" else word for word in argv]
        return await super().run(words, environment=place, **more)


@pytest.fixture
def sql_shop(shop: RdsShop, server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> RdsShop:
    monkeypatch.setenv("PATH", f"{find_postgres()}:/usr/bin:/bin")
    for name in ("shop_live", "shop_restored"):
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {name} TEMPLATE shop_template")
    commands = Dns(server)
    shop.world = replace(shop.world, commands=commands)
    shop.changes["sql"] = {
        "database": "shop",
        "connection": {"environment": {"PGUSER": "postgres"}},
        "checks": ({"name": "users", "sql": "SELECT count(*) > 0 FROM users", "expect": True},),
    }
    return shop


async def test_rows_of_both_instances_are_compared_at_their_endpoints(sql_shop: RdsShop) -> None:
    plan = await sql_shop.plan()
    said = await sql_shop.run_all(plan)
    assert "rows now → restored: the same" in said[COMPARE]
    assert "1 checks hold" in said[VERIFY]
    commands = sql_shop.world.commands
    assert isinstance(commands, Dns)
    assert {one["PGPORT"] for one in commands.environments} == {"5432"}


async def test_far_fewer_rows_stop_it_before_the_swap(sql_shop: RdsShop) -> None:
    plan = await sql_shop.plan()
    commands = sql_shop.world.commands
    assert isinstance(commands, Dns)
    for step in plan.steps[:COMPARE]:
        await sql_shop.run(step)
    sql = SqlComparison.model_validate(plan.steps[COMPARE].action.params["sql"])
    restored = sql.session({"Endpoint": {"Address": "restored", "Port": 5433}})
    await restored.bare(sql_shop.world, "DELETE FROM oauth_tokens")
    with pytest.raises(PermanentError, match=r"public\.oauth_tokens: 0 of 4"):
        await sql_shop.run(plan.steps[COMPARE])
    monkey = replace(sql_shop.world, commands=RecordedCommands())
    sql_shop.world = monkey  # without our name server the endpoints lead nowhere
    with pytest.raises(TemporaryError, match="cannot be compared"):
        await sql_shop.run(plan.steps[COMPARE])
