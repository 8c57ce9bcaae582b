"""Sessions that show who lives in PostgreSQL, when one breaks or is not our own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from bot.core.errors import PermanentError
from bot.store.postgres import PostgresStore
from bot.store.schema import Session
from tests.contracts.store_postgres import PostgresServer
from tests.contracts.store_support import NOW, TTL


@pytest.fixture
def url(store_postgres_server: PostgresServer) -> str:
    """An empty PostgreSQL database."""
    return store_postgres_server.new_url()


@asynccontextmanager
async def opened(url: str, *, patience: float = 10.0) -> AsyncIterator[PostgresStore]:
    """An open store."""
    store = PostgresStore(url, patience=patience)
    await store.start()
    try:
        yield store
    finally:
        await store.close()


async def is_seen_alive(store: PostgresStore, owner: str) -> bool:
    """Whether others can see that an owner lives."""

    async def work(session: Session) -> bool:
        rows = await session.rows("SELECT home FROM owners WHERE name = :name", name=owner)
        return bool(rows) and await store._is_dead(session, rows[0]["home"]) is False

    return await store._read(work)


async def test_an_owner_of_an_older_version_is_left_to_its_ttls(url: str) -> None:
    async def add_older(session: Session) -> None:
        await session.rows(
            """INSERT INTO owners (name, home)
            SELECT 'older', CAST(extract(epoch FROM pg_postmaster_start_time()) AS TEXT)"""
        )

    async with opened(url) as store:
        await store._write(add_older)
        await store.acquire("job", owner="older", ttl=TTL, now=NOW)
        assert await store.bury() == ()
        assert await store.acquire("job", owner="b", ttl=TTL, now=NOW) is None


async def test_the_name_of_a_living_process_is_refused(url: str) -> None:
    async with opened(url) as first, opened(url, patience=0.05) as second:
        await first.register("bot-0")
        with pytest.raises(PermanentError, match="Another living process works on the store"):
            await second.register("bot-0")
        await first.close()
        await second.register("bot-0")


async def test_who_lost_its_connection_shows_itself_alive_again_and_buries_nobody_for_a_while(
    url: str, store_postgres_server: PostgresServer
) -> None:
    async def add_dead(session: Session) -> None:
        await session.rows(
            """INSERT INTO owners (name, home)
            SELECT 'dead', split_part(home, '/', 1) || '/0' FROM owners WHERE name = 'a'"""
        )

    async with opened(url) as store, opened(url) as other:
        await store.register("a")
        await store.acquire("job", owner="a", ttl=TTL, now=NOW)
        store_postgres_server.disconnect_everybody()
        while not await is_seen_alive(other, "a"):
            pass
        await store._write(add_dead)
        assert await store.bury() == ()
        assert await other.bury() == ("dead",)
        assert await other.acquire("job", owner="b", ttl=TTL, now=NOW) is None


async def test_behind_a_pooler_nobody_relies_on_a_session(url: str) -> None:
    async with pooler(url) as pooled, opened(pooled) as store, opened(url) as other:
        await store.register("a")
        await store.acquire("job", owner="a", ttl=TTL, now=NOW)
        assert not await is_seen_alive(other, "a")
        assert await other.bury() == ()
        assert await other.acquire("job", owner="b", ttl=TTL, now=NOW) is None


@asynccontextmanager
async def pooler(url: str) -> AsyncIterator[str]:
    """A proxy that, like PgBouncer, announces a process number that it made up.

    BackendKeyData: https://www.postgresql.org/docs/current/protocol-message-formats.html
    """
    query = parse_qs(urlsplit(url).query)
    server_socket = f"{query['host'][0]}/.s.PGSQL.5432"
    relays: set[asyncio.Task[None]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mark = b"K\x00\x00\x00\x0c"
        while data := await reader.read(65536):
            before, found, after = data.partition(mark)
            writer.write(before + found + (b"\x00\x00\x00\x07" + after[4:] if found else after))
            await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_unix_connection(server_socket)
        for pair in ((reader, up_writer), (up_reader, writer)):
            task = asyncio.create_task(relay(*pair))
            relays.add(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    options = quote(query["options"][0], safe="")
    try:
        yield (
            f"postgresql://postgres@127.0.0.1:{port}/postgres"
            f"?sslmode=disable&gssencmode=disable&options={options}"
        )
    finally:
        server.close()
        await asyncio.gather(*relays)
