"""What the contract suites are run against."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bot.store.open import open_store
from bot.store.store import Store
from tests.contracts.store_postgres import PostgresServer, find_postgres
from tests.contracts.store_support import NewUrl


@pytest.fixture(scope="session")
def store_postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server, started when the first test asks for it."""
    programs = find_postgres()
    if programs is None:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL is not installed: CI must test the store against it.")
        pytest.skip("PostgreSQL (initdb, postgres) is not installed.")
    server = PostgresServer(programs)
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgres"])
def new_store_url(request: pytest.FixtureRequest, tmp_path: Path) -> NewUrl:
    """Gives the URL of an empty database, of each kind in turn."""
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("store_postgres_server")
        return server.new_url
    numbers = iter(range(1_000_000))
    return lambda: f"sqlite:///{tmp_path}/store-{next(numbers)}.sqlite3"


@pytest.fixture
def store_url(new_store_url: NewUrl) -> str:
    """An empty database."""
    return new_store_url()


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """An open store on an empty database."""
    opened = open_store(store_url)
    await opened.start()
    yield opened
    await opened.close()


@pytest.fixture
async def other_store(store: Store, store_url: str) -> AsyncIterator[Store]:
    """A second store on the same database, as another process would open it."""
    opened = open_store(store_url)
    await opened.start()
    yield opened
    await opened.close()
