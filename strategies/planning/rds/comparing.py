"""Holding a restored instance against the live one: settings, rows, checks."""

from __future__ import annotations

from bot.config.targets.postgres import DatabaseConnection, SqlCheck, VersionTable
from bot.domain.values import Facts, Value
from bot.errors import PermanentError, TemporaryError
from bot.ports.world import World
from strategies.planning.rds.differences import differences
from strategies.planning.rds.instances import Description, name_of
from strategies.postgres.client import Session
from strategies.postgres.questions import require_all, run_checks
from strategies.postgres.rows import RowComparison, row_counts


class SqlComparison(Value):
    """What is asked of the databases in both."""

    database: str
    connection: DatabaseConnection
    checks: tuple[SqlCheck, ...]
    minimum_share: float

    def session(self, instance: Description) -> Session:
        """The database in this instance, at its own endpoint."""
        endpoint = instance.get("Endpoint") or {}
        place = {
            "PGHOST": str(endpoint.get("Address", "")),
            "PGPORT": str(endpoint.get("Port", "")),
        }
        environment = {**self.connection.environment, **place}
        connection = self.connection.model_copy(update={"environment": environment})
        return Session(database=self.database, connection=connection)


def same_settings(settings: Facts, engine: str, new: Description) -> str:
    """A sentence. Raises PermanentError naming what differs."""
    wrong = list(differences(settings, new))
    version = f"{new.get('Engine')} {new.get('EngineVersion')}"
    if str(new.get("Engine")) != engine.split(maxsplit=1)[0]:
        wrong.append("Engine")
    if wrong:
        raise PermanentError(
            f"{name_of(new)} is not as the live instance: {', '.join(wrong)}.",
            "Nothing was swapped. Mend it in the RDS console, then plan again.",
        )
    older = "" if version == engine else f", where the live instance runs {engine}"
    return f"{name_of(new)} has the same settings; it runs {version}{older}"


async def same_rows(sql: SqlComparison, live: Description, new: Description, world: World) -> str:
    """A sentence. Raises PermanentError for far fewer rows or a check that does not hold."""
    now, then = sql.session(live), sql.session(new)
    try:
        before = await row_counts(now, VersionTable(), world)
        after = await row_counts(then, VersionTable(), world)
        checked = await run_checks(then, world, sql.checks)
    except TemporaryError as error:
        raise TemporaryError(
            f"The databases cannot be compared. {error.what}",
            "Let the bot reach both endpoints, or leave sql out of the catalog.",
        ) from error
    rows = RowComparison(now=before, then=after)
    rows.require(sql.minimum_share, "Choose another point")
    said = require_all(checked, f"The data in {name_of(new)} are not sound")
    return f"{rows.tables}; {rows.sentence}; {said}"
