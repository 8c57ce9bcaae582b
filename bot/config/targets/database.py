"""Rolling a PostgreSQL database back: down migrations, or an archive restored beside it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from bot.config.durations import Duration
from bot.config.secrets import VARIABLE, OptionalSecretName
from bot.config.targets.postgres import (
    DatabaseConnection,
    DatabaseName,
    DatabaseTarget,
    SqlCheck,
    TableName,
    VersionTable,
)
from bot.domain.values import Fraction


class _Database(DatabaseTarget):
    database: DatabaseName
    """The database's name."""
    connection: DatabaseConnection = DatabaseConnection()
    """How one gets there."""
    checks: tuple[SqlCheck, ...] = ()
    """Questions to the data whose answers must be right."""
    releases: dict[str, str] = Field(default_factory=dict)
    """Release of the application → version of the schema that it was written for."""
    needs: dict[str, tuple[TableName, ...]] = Field(default_factory=dict)
    """Version of the schema → tables and ``table.column`` without which its application fails."""
    advisory_lock: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    """Key of the lock that migrations take; default: one made of the database's name."""
    lock_timeout: Duration = timedelta(seconds=10)
    """How long a statement waits for a table; others queue behind it."""
    statement_timeout: Duration = timedelta(minutes=10)
    """No statement may take longer."""
    stop_timeout: Duration = timedelta(minutes=2)
    """How long pods of the writers may take to stop or to become ready."""


class SqlMigrationsTarget(_Database):
    """Plain SQL files in pairs: ``0042_name.up.sql`` with ``0042_name.down.sql``.

    ``0042_name_up.sql``, ``0042_name.sql`` and ``0042_name_down.sql`` are understood too.
    """

    method: Literal["sql-migrations"]
    directory: str
    """The folder with the migrations' up and down files."""
    version: VersionTable = VersionTable()
    """Where the applied versions are kept."""


class AlembicTarget(_Database):
    """Alembic, through its own command."""

    method: Literal["alembic"]
    folder: str
    """Where ``alembic.ini`` is."""
    program: str = "alembic"
    """The alembic to run; found on PATH unless a path is given."""
    environment: dict[str, str] = Field(default_factory=dict)
    """What the project's env.py needs beside the connection; nothing secret."""
    url_variable: str = ""
    """The variable from which env.py reads the database's URL, if it does."""
    url_secret: OptionalSecretName = ""
    """Name of the secret that holds that URL."""
    version: VersionTable = VersionTable(
        table="alembic_version", column="version_num", keeps="latest"
    )
    """Where Alembic keeps its revision."""

    @field_validator("environment")
    @classmethod
    def _named_and_not_secret(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not re.match(VARIABLE, name):
                raise ValueError(f"“{name}” is not the name of an environment variable")
            if "PASSWORD" in name.upper() or _has_password(text):
                raise ValueError(
                    f"{name} holds a password, which plans would show: name the URL by "
                    "url_variable and url_secret, or the password by connection.password_secret"
                )
        return value

    @model_validator(mode="after")
    def _url_by_name(self) -> AlembicTarget:
        if bool(self.url_variable) != bool(self.url_secret):
            raise ValueError("url_variable and url_secret belong together")
        if self.url_variable and not re.match(VARIABLE, self.url_variable):
            raise ValueError(f"“{self.url_variable}” is not the name of an environment variable")
        return self


class RestoreTarget(_Database):
    """A ``pg_dump`` archive, restored into a new database that then takes the old one's name."""

    method: Literal["restore"]
    directory: str
    """Where the archives are (custom or tar format)."""
    pattern: str = "*.dump"
    """File names of the archives in the directory."""
    version: VersionTable = VersionTable()
    """Where the applied versions are kept."""
    maintenance_database: DatabaseName = "postgres"
    """Where the bot connects to create and rename databases."""
    max_age: Duration = timedelta(hours=26)
    """An older archive is warned about."""
    checksum_required: bool = False
    """Whether an archive without ``<archive>.sha256`` beside it blocks the plan."""
    minimum_share: Fraction = 0.5
    """A table that comes back with a smaller share of its present rows stops the swap."""
    jobs: int = Field(default=2, ge=1, le=32)
    """Parallel connections of ``pg_restore``."""
    restore_timeout: Duration = timedelta(hours=2)
    """The restore may take so long."""


def _has_password(text: str) -> bool:
    try:
        return bool(urlsplit(text).password)
    except ValueError:
        return False
