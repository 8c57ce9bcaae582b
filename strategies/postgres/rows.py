"""Holding the rows of a restored database against those of the live one."""

# ruff: noqa: S608 - psql takes no parameters: names and texts are quoted by postgres.client.

from __future__ import annotations

from bot.config.targets.postgres import VersionTable
from bot.domain.values import Value, amount
from bot.errors import PermanentError
from bot.ports.world import World
from strategies.postgres.client import Session, identifier, listed, literal, qualified

_COUNT_SECONDS = 600.0


class RowComparison(Value):
    """Rows of every table, by the tables' names."""

    now: dict[str, int]
    then: dict[str, int]
    """In the restored database."""

    @property
    def tables(self) -> str:
        """How many come back."""
        return amount(len(self.then), "table")

    @property
    def sentence(self) -> str:
        """What would be another."""
        changed = [
            f"{table} {rows} → {self.then[table]}"
            for table, rows in sorted(self.now.items())
            if self.then.get(table, rows) != rows
        ]
        missing = sorted(set(self.now) - set(self.then))
        return (
            f"rows now → restored: {listed(changed, 10) or 'the same'}; tables that it does not "
            f"have: {listed(missing) or 'none'}"
        )

    def require(self, minimum_share: float, remedy: str) -> None:
        """Raises PermanentError when a table comes back with a smaller share of its rows."""
        few = [
            f"{table}: {self.then[table]} of {rows}"
            for table, rows in sorted(self.now.items())
            if table in self.then and self.then[table] < rows * minimum_share
        ]
        if few:
            raise PermanentError(
                f"Far fewer rows would come back than there are now: {listed(few)}.",
                f"Nothing was swapped. {remedy}, or lower minimum_share knowingly.",
            )


async def row_counts(session: Session, besides: VersionTable, world: World) -> dict[str, int]:
    """Exact counts of all tables of the application; fewer versions are what is wanted."""
    tables = await session.rows(
        world,
        "SELECT schemaname AS schema, relname AS name FROM pg_stat_user_tables "
        f"WHERE relid <> to_regclass({literal(qualified(besides.table))}) ORDER BY 1, 2",
    )
    if not tables:
        return {}
    counts = "\nUNION ALL ".join(
        f"SELECT {literal(one['schema'] + '.' + one['name'])} AS name, count(*) AS rows "
        f"FROM {identifier(one['schema'])}.{identifier(one['name'])}"
        for one in tables
    )
    rows = await session.rows(world, counts, seconds=_COUNT_SECONDS)
    return {row["name"]: row["rows"] for row in rows}
