"""Preflights of down migrations."""

# ruff: noqa: S608 - psql takes no parameters: names and texts are quoted by postgres.client.

from __future__ import annotations

from collections.abc import Sequence

from bot.config.targets.database import AlembicTarget, SqlMigrationsTarget
from bot.config.targets.postgres import VersionTable
from bot.domain.plan import Preflight
from bot.ports.world import World
from strategies.postgres.client import Session, listed, literal, qualified
from strategies.postgres.counting import Counted
from strategies.postgres.history import History, Link
from strategies.postgres.locks import lock_holders
from strategies.preflights.verdicts import blocked, passed, warned


def check_history(history: History, table: VersionTable) -> Preflight:
    """Every applied version must be explained by a migration, and none broken off."""
    name = "Applied migrations"
    if history.applied.dirty:
        return blocked(
            name,
            f"Table {table.table} is marked dirty: a migration broke off in the middle. Mend the "
            "schema by hand first.",
        )
    if history.strange:
        return blocked(
            name,
            f"The database has versions that no file explains: {listed(history.strange)}. Their "
            "way down is unknown; give the bot the migrations that were deployed.",
        )
    return passed(name, f"{len(history.links)} are applied, and every one is known.")


def check_scripts(reverted: Sequence[Link]) -> Preflight:
    """Every way down must be there before the first one is gone."""
    problems = [link.problem for link in reverted if link.problem]
    if problems:
        return blocked(
            "Down scripts",
            f"{'; '.join(problems)}. Nothing runs unless all of them can: write what is missing.",
        )
    versions = listed([link.version for link in reverted])
    return passed("Down scripts", f"All {len(reverted)} are there, newest first: {versions}.")


def check_loss(lost: Sequence[Counted]) -> Preflight:
    """What would be destroyed, as counted now."""
    name = "Data loss"
    gone = [one.sentence for one in lost if one.amount != 0]
    if gone:
        return warned(name, f"Lost for good: {'; '.join(gone)}.")
    if lost:
        empty = listed([one.sentence for one in lost])
        return passed(name, f"What is dropped holds nothing now: {empty}.")
    return passed(name, "The down scripts drop, empty and overwrite nothing.")


async def check_lock(session: Session, world: World, key: int) -> Preflight:
    """Somebody else's migration must end first."""
    holders = await lock_holders(session, world, key)
    if holders:
        return blocked(
            "Advisory lock",
            f"{', '.join(holders)} holds the lock of migrations ({key}). Wait until it has ended.",
        )
    return passed("Advisory lock", f"Nobody holds the lock of migrations ({key}).")


async def check_server(
    session: Session,
    world: World,
    target: SqlMigrationsTarget | AlembicTarget,
    lost: Sequence[Counted],
) -> Preflight:
    """A primary, the rights, and nobody in the way."""
    name = "Server and rights"
    table = literal(qualified(target.version.table))
    tables = sorted({one.loss.sql for one in lost if one.loss.name})
    owned = " UNION ALL ".join(
        f"SELECT {literal(one)} AS name, to_regclass({literal(one)}) AS found" for one in tables
    )
    strangers = (
        f"(SELECT string_agg(t.name, ', ') FROM ({owned}) t JOIN pg_class c ON c.oid = t.found "
        "WHERE NOT pg_has_role(c.relowner, 'USAGE'))"
        if owned
        else "NULL"
    )
    wait = target.lock_timeout.total_seconds()
    [found] = await session.rows(
        world,
        "SELECT pg_is_in_recovery() AS standby, current_user AS me, "
        "current_setting('server_version') AS server, "
        f"has_table_privilege({table}, 'DELETE') AND has_table_privilege({table}, 'INSERT') "
        f"AS versions, {strangers} AS strangers, "
        "(SELECT string_agg(format('%s, process %s', usename, pid), '; ') FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() "
        f"AND xact_start < now() - interval '{wait} seconds') AS long",
    )
    if found["standby"]:
        return blocked(name, "This server is a standby: name the primary in the catalog.")
    if not found["versions"]:
        return blocked(
            name,
            f"Role {found['me']} may not write to table {target.version.table}. Grant it INSERT "
            "and DELETE there.",
        )
    if found["strangers"]:
        return blocked(
            name,
            f"Role {found['me']} does not own {found['strangers']} and cannot change it. Make it "
            "a member of the owner's role.",
        )
    if found["long"]:
        return warned(
            name,
            f"A transaction has been open for long ({found['long']}); a migration that needs its "
            f"tables gives up after {wait:g} s and is tried again.",
        )
    return passed(name, f"PostgreSQL {found['server']}, a primary; role {found['me']} may do it.")
