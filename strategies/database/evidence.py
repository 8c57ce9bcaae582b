"""What a rollback of a database would destroy, without the data: nobody's rows leave the server."""

# ruff: noqa: S608 - psql takes no parameters: names and texts are quoted by postgres.client.

from __future__ import annotations

from bot.core.errors import RollbackBotError
from bot.engine.world import Evidence, World
from strategies.database.postgres.client import READ_SECONDS, Session, qualified
from strategies.database.target import VersionTable

_SIZES = """
SELECT s.schemaname, s.relname, s.n_live_tup AS rows_estimated,
  pg_total_relation_size(s.relid) AS bytes, s.n_tup_ins AS inserted, s.n_tup_upd AS updated,
  s.n_tup_del AS deleted
FROM pg_stat_user_tables s ORDER BY 1, 2
"""
_SESSIONS = """
SELECT pid, usename, application_name, client_addr, backend_start, xact_start, state, wait_event
FROM pg_stat_activity WHERE datname = current_database() ORDER BY backend_start
"""


async def database_evidence(
    session: Session, table: VersionTable, world: World
) -> tuple[Evidence, ...]:
    """What cannot be read is named in its place."""
    versions = f"SELECT * FROM {qualified(table.table)} ORDER BY 1"
    return (
        Evidence(name="schema.sql", text=await _schema(session, world)),
        Evidence(name="versions.txt", text=await _table(session, world, versions)),
        Evidence(name="tables.txt", text=await _table(session, world, _SIZES)),
        Evidence(name="sessions.txt", text=await _table(session, world, _SESSIONS)),
    )


async def _schema(session: Session, world: World) -> str:
    try:
        finished = await session.program(
            world,
            ("pg_dump", "--schema-only", "--no-password", "-d", session.database),
            timeout_seconds=READ_SECONDS,
        )
    except RollbackBotError as error:
        return f"The schema could not be read: {error.what}\n"
    if finished.status != 0:
        return f"The schema could not be read: {finished.errors.strip()}\n"
    # User mappings and subscriptions are dumped with their passwords.
    return session.masked(finished.output, world)


async def _table(session: Session, world: World, query: str) -> str:
    try:
        rows = await session.rows(world, query)
    except RollbackBotError as error:
        return f"This could not be read: {error.what}\n"
    lines = ["\t".join(map(str, row.values())) for row in rows]
    header = ["\t".join(rows[0])] if rows else ["No rows."]
    return "\n".join([*header, *lines]) + "\n"
