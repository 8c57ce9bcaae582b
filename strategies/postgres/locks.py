"""The advisory lock that keeps two migrations apart."""

# ruff: noqa: S608 - psql takes no parameters: names and texts are quoted by postgres.client.

from __future__ import annotations

import hashlib

from bot.errors import TemporaryError
from bot.ports.world import World
from strategies.postgres.client import Session
from strategies.postgres.refusals import LOCK_NOT_AVAILABLE


def lock_key(database: str, configured: int | None) -> int:
    """The configured key, else one made of the database's name (64 bits, signed)."""
    if configured is not None:
        return configured
    made = hashlib.sha256(f"rollback-bot:{database}".encode()).digest()[:8]
    return int.from_bytes(made, "big", signed=True)


def take_lock(key: int) -> str:
    """SQL that takes the lock for the transaction, or fails at once."""
    return (
        f"DO $rollback_bot$ BEGIN IF NOT pg_try_advisory_xact_lock({key}) THEN RAISE EXCEPTION "
        f"'advisory lock {key} is held by somebody else' USING ERRCODE = '{LOCK_NOT_AVAILABLE}'; "
        "END IF; END $rollback_bot$;"
    )


async def lock_holders(session: Session, world: World, key: int) -> list[str]:
    """Who holds the lock: user, program and address, as far as the bot's role may see."""
    high, low = (key >> 32) & 0xFFFFFFFF, key & 0xFFFFFFFF
    rows = await session.rows(
        world,
        "SELECT l.pid, coalesce(a.usename, '?') AS who, coalesce(a.application_name, '') AS app "
        "FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid "
        "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
        f"AND l.classid::bigint = {high} AND l.objid::bigint = {low} "
        "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    return [_spoken(row) for row in rows]


def held_elsewhere(key: int, holders: list[str]) -> TemporaryError:
    """The error of a step that has to wait for the lock."""
    who = ", ".join(holders) or "somebody who has let go of it meanwhile"
    return TemporaryError(f"Advisory lock {key} is held by {who}.", "Wait until that has ended.")


async def connected(session: Session, world: World) -> list[str]:
    """Who else is connected to the database now."""
    rows = await session.rows(
        world,
        "SELECT pid, coalesce(usename, '?') AS who, coalesce(application_name, '') AS app "
        "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_type = 'client backend' ORDER BY backend_start",
    )
    return [_spoken(row) for row in rows]


def _spoken(row: dict[str, object]) -> str:
    app = f" ({row['app']})" if row["app"] else ""
    return f"{row['who']}{app}, process {row['pid']}"
