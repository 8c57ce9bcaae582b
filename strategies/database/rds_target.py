"""Rolling an Amazon RDS instance back: restored beside it, then given its name."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field

from bot.catalog.types import Duration
from bot.core.values import Fraction, Value
from strategies.database.target import (
    AlembicTarget,
    DatabaseConnection,
    DatabaseName,
    DatabaseTarget,
    RestoreTarget,
    SqlCheck,
    SqlMigrationsTarget,
)

_IDENTIFIER = re.compile(r"[a-z](-?[a-z0-9])*")


def _identifier(value: str) -> str:
    lower = value.lower()  # as RDS itself keeps it
    if not _IDENTIFIER.fullmatch(lower) or len(lower) > 63:
        raise ValueError(
            f"instance “{value}”: use the DB instance identifier, up to 63 letters, digits and "
            "single hyphens; neither its endpoint nor its ARN"
        )
    return lower


class SnapshotPoint(Value):
    """Back to a snapshot of the instance."""

    snapshot: str = Field(default="before-release", min_length=1)
    """``before-release``: the newest one made before a writer got its newest pod template;
    ``latest``; or a snapshot's identifier."""


class TimePoint(Value):
    """Back to a moment within the retention of the automated backups."""

    point_in_time: Literal["before-release", "latest"] | AwareDatetime
    """``before-release``: the last second before a writer got its newest pod template;
    ``latest``: the latest restorable time; or a moment with its time zone."""


class RdsSql(Value):
    """A PostgreSQL database in the instance, which the bot compares by ``psql``."""

    database: DatabaseName
    """The database's name."""
    connection: DatabaseConnection = DatabaseConnection()
    """PGHOST and PGPORT are those of the instances' endpoints."""
    checks: tuple[SqlCheck, ...] = ()
    """Questions to the data whose answers must be right."""
    minimum_share: Fraction = 0.5
    """A table that comes back with a smaller share of its present rows stops the swap."""


class RdsTarget(DatabaseTarget):
    """A DB instance of Amazon RDS, not of an Aurora cluster."""

    method: Literal["rds"]
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d+$")
    instance: Annotated[str, AfterValidator(_identifier)]
    """The DB instance identifier: the first part of the endpoint that applications connect to."""
    restore: SnapshotPoint | TimePoint = SnapshotPoint()
    """A snapshot or a point in time; default: decided with the plan."""
    stop_writers: Literal["before-swap", "before-restore"] = "before-swap"
    """``before-restore`` loses less that users were told is saved, and takes them down for as
    long as the restore takes."""
    sql: RdsSql | None = None
    """How rows are counted before and after; none for no look inside."""
    max_age: Duration = timedelta(hours=26)
    """A restore point that is older is warned about."""
    restore_timeout: Duration = timedelta(hours=6)
    """How long RDS may take without any visible progress; terabytes take hours."""
    rename_timeout: Duration = timedelta(minutes=30)
    """A rename may take so long."""
    stop_timeout: Duration = timedelta(minutes=2)
    """How long pods of the writers may take to stop or to become ready."""


AnyDatabaseTarget = SqlMigrationsTarget | AlembicTarget | RestoreTarget | RdsTarget
"""One way to roll a database back; ``method`` tells which."""
