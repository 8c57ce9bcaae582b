"""A PostgreSQL server of our own, and on it one database a test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import cast

import psycopg
import pytest

from bot.clouds.aws import BotoAws
from bot.clouds.commands import EnvironmentSecrets
from bot.clouds.http import HttpClient
from bot.clouds.kubernetes.objects import Cluster
from bot.core.clock import SystemClock
from bot.engine.world import World
from tests.contracts.store_postgres import PostgresServer, find_postgres
from tests.strategies.database.alembic_shop import alembic, program, project
from tests.strategies.database.archived_shop import restorable
from tests.strategies.database.support import MIGRATIONS, ROWS, RecordedCommands, Shop

# Fixtures of other modules that the tests here share.
__all__ = ["alembic", "program", "project", "restorable"]

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    programs = find_postgres()
    if programs is None:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL is not installed: CI must test the database strategy with it.")
        pytest.skip("PostgreSQL (initdb, postgres) is not installed.")
    server = PostgresServer(programs)
    server.execute("CREATE DATABASE shop_template")
    with psycopg.connect(
        host=str(server.home), user="postgres", dbname="shop_template", autocommit=True
    ) as connection:
        connection.execute(
            "CREATE TABLE schema_migrations"
            " (version text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        for name, text in sorted(MIGRATIONS.items()):
            if name.endswith(".up.sql"):
                connection.execute(text.encode())
                connection.execute(
                    "INSERT INTO schema_migrations (version) VALUES (%s)", (name[:4],)
                )
        connection.execute(ROWS.encode())
    yield server
    server.stop()


@pytest.fixture
def no_cluster_world() -> World:
    """A strategy without writers must not reach for a cluster."""
    return World(
        cluster=cast("Cluster", None),
        http=HttpClient(),
        aws=BotoAws(),
        commands=RecordedCommands(),
        secrets=EnvironmentSecrets(),
        clock=SystemClock(),
    )


@pytest.fixture
def shop(
    server: PostgresServer,
    no_cluster_world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Shop:
    """schema 0042 is live with rows in everything that it added."""
    # The server's own psql, pg_dump and pg_restore: not Debian's wrapper, which may be another
    # version's.
    monkeypatch.setenv("PATH", f"{find_postgres()}{os.pathsep}{os.environ['PATH']}")
    database = f"shop_{next(_NUMBERS)}"
    server.execute(f"CREATE DATABASE {database} TEMPLATE shop_template")
    folder = tmp_path / "migrations"
    folder.mkdir()
    for name, text in MIGRATIONS.items():
        (folder / name).write_text(text, encoding="utf-8")
    return Shop(
        world=no_cluster_world,
        commands=cast("RecordedCommands", no_cluster_world.commands),
        host=server.home,
        database=database,
        folder=folder,
    )
