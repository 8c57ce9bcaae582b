"""What only PostgreSQL can do to us: refuse, break off, or fall silent while it commits."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest

from bot.core.errors import OutcomeUnknownError, PermanentError, TemporaryError
from bot.store.open import open_store
from bot.store.postgres import PostgresStore
from bot.store.schema import Session
from tests.contracts.store_postgres import PostgresServer
from tests.contracts.store_support import NOW, declare, notes

PASSWORD = "s3cr@t/ü"


@pytest.fixture
async def postgres_store(store_postgres_server: PostgresServer) -> AsyncIterator[PostgresStore]:
    """An open store on an empty PostgreSQL database."""
    store = PostgresStore(store_postgres_server.new_url())
    await store.start()
    yield store
    await store.close()


async def test_a_server_that_is_not_there_may_come_back_and_the_password_stays_secret() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"postgresql://bot:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/incidents"
    with pytest.raises(TemporaryError, match=r"incidents on 127\.0\.0\.1") as failure:
        await open_store(url).start()
    assert PASSWORD not in str(failure.value)
    assert quote(PASSWORD, safe="") not in str(failure.value)
    assert failure.value.__cause__ is None


async def test_a_server_that_refuses_is_a_matter_for_people(
    store_postgres_server: PostgresServer,
) -> None:
    url = store_postgres_server.new_url().replace("postgres@/postgres", "postgres:hunter2@/nowhere")
    with pytest.raises(PermanentError, match='database "nowhere" does not exist') as failure:
        await open_store(url).start()
    assert "hunter2" not in str(failure.value)


async def test_a_store_outlives_a_restart_of_the_server(
    postgres_store: PostgresStore, store_postgres_server: PostgresServer
) -> None:
    await asyncio.gather(*(postgres_store.incidents() for _ in range(8)))
    store_postgres_server.disconnect_everybody()
    assert await declare(postgres_store) == "INC-2026-001"


async def test_a_transaction_that_is_broken_off_has_not_happened(
    postgres_store: PostgresStore, store_postgres_server: PostgresServer
) -> None:
    async def broken(session: Session) -> None:
        await session.rows("INSERT INTO requests (id, at) VALUES ('x', 0)")
        store_postgres_server.disconnect_everybody()
        await session.rows("SELECT 1")

    async def requests(session: Session) -> int:
        return len(await session.rows("SELECT id FROM requests"))

    with pytest.raises(TemporaryError, match="broke off") as failure:
        await postgres_store._write(broken)
    assert not isinstance(failure.value, OutcomeUnknownError)
    assert await postgres_store._read(requests) == 0


async def test_a_commit_without_an_answer_has_an_unknown_outcome(
    postgres_store: PostgresStore,
) -> None:
    async def die_at_commit(session: Session) -> None:
        await session.rows(
            """CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'"""
        )
        await session.rows(
            """CREATE CONSTRAINT TRIGGER die AFTER INSERT ON events
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()"""
        )

    await postgres_store._write(die_at_commit)
    with pytest.raises(OutcomeUnknownError, match="did not confirm"):
        await declare(postgres_store)
    assert await postgres_store.incidents() == ()


async def test_a_cancelled_transaction_leaves_its_connection_usable(
    postgres_store: PostgresStore,
) -> None:
    started = asyncio.Event()

    async def slow(session: Session) -> None:
        await session.rows("INSERT INTO requests (id, at) VALUES ('x', 0)")
        started.set()
        await session.rows("SELECT pg_sleep(60)")

    for _ in range(8):  # more often than there are connections
        started.clear()
        task = asyncio.create_task(postgres_store._write(slow))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    incident = await declare(postgres_store)
    assert await postgres_store.append(incident, expected=1, batch=notes("x"), now=NOW) == 2


async def test_more_transactions_than_connections_take_turns(
    postgres_store: PostgresStore,
) -> None:
    ids = await asyncio.gather(*(declare(postgres_store, f"service-{n}") for n in range(40)))
    assert sorted(ids) == [f"INC-2026-{n:03d}" for n in range(1, 41)]
