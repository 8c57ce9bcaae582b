"""Which migrations are applied, as the database itself says."""

# ruff: noqa: S608 - psql takes no parameters: names and texts are quoted by postgres.client.

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from bot.config.targets.postgres import VersionTable
from bot.domain.values import Facts, Value
from bot.errors import NotFoundError, PermanentError
from bot.ports.world import World
from strategies.postgres.client import Session, qualified
from strategies.postgres.refusals import UNDEFINED_COLUMN, UNDEFINED_TABLE, SqlError


class Applied(Value):
    """The rows of the version table."""

    rows: tuple[tuple[str, Facts], ...]
    """Version as it is stored, and its whole row; in the order of the texts."""

    @property
    def stored(self) -> tuple[str, ...]:
        """The versions."""
        return tuple(version for version, _ in self.rows)

    @property
    def digest(self) -> str:
        """Of all versions together; the guard of every migration."""
        return digest(self.stored)

    @property
    def dirty(self) -> bool:
        """golang-migrate's mark of a migration that broke off."""
        return any(row.get("dirty") is True for _, row in self.rows)


def digest(versions: Sequence[str]) -> str:
    """SHA-256 over the versions in the order of their texts."""
    return hashlib.sha256("\n".join(sorted(versions)).encode()).hexdigest()


def digest_sql(table: VersionTable) -> str:
    """An expression for the same digest."""
    column = qualified(table.column)
    return (
        "(SELECT encode(sha256(convert_to(coalesce(string_agg("
        f"{column}::text, chr(10) ORDER BY {column}::text COLLATE \"C\"), ''), 'UTF8')), 'hex') "
        f"FROM {qualified(table.table)})"
    )


async def read_applied(session: Session, table: VersionTable, world: World) -> Applied:
    """Raises NotFoundError when there is no such table."""
    query = (
        f"SELECT {qualified(table.column)}::text AS version, to_json(kept) AS row "
        f"FROM {qualified(table.table)} AS kept"
    )
    try:
        rows: list[dict[str, Any]] = await session.rows(world, query)
    except SqlError as error:
        if error.state not in {UNDEFINED_TABLE, UNDEFINED_COLUMN}:
            raise
        raise NotFoundError(
            f"Database {session.database} has no table {table.table} with a column "
            f"{table.column} that tells its version.",
            "Name them by version in the catalog.",
        ) from error
    if not rows:
        raise PermanentError(
            f"Table {table.table} of database {session.database} is empty: no migration is applied."
        )
    found = sorted((str(row["version"]), row["row"]) for row in rows)
    return Applied(rows=tuple(found))
