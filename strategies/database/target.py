"""How a PostgreSQL database is named, reached and asked, and what writes to it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from bot.catalog.target import Target
from bot.catalog.types import VARIABLE, Duration, Namespace, OptionalSecretName
from bot.core.values import Fraction, Value

_LIBPQ_VARIABLES = frozenset(
    f"PG{name}"
    for name in [
        "HOST",
        "HOSTADDR",
        "PORT",
        "USER",
        "PASSFILE",
        "SERVICE",
        "SERVICEFILE",
        "REQUIREAUTH",
        "CHANNELBINDING",
        "SSLMODE",
        "SSLCERT",
        "SSLKEY",
        "SSLROOTCERT",
        "SSLCRL",
        "SSLCRLDIR",
        "SSLSNI",
        "GSSENCMODE",
        "GSSLIB",
        "KRBSRVNAME",
        "CONNECT_TIMEOUT",
        "TARGETSESSIONATTRS",
    ]
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$-]{0,39}")
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}(\.[A-Za-z_][A-Za-z0-9_$]{0,62})?")


def _database_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(
            f"database “{value}”: use up to 40 letters, digits, underscores and hyphens; where "
            "it is reached belongs under connection"
        )
    return value


def _table_name(value: str) -> str:
    if not _TABLE.fullmatch(value):
        raise ValueError(f"“{value}” is not the name of a table or column, with or without schema")
    return value


DatabaseName = Annotated[str, AfterValidator(_database_name)]
"""Leaves room for what the bot appends, within PostgreSQL's 63 bytes."""
TableName = Annotated[str, AfterValidator(_table_name)]
"""``table`` or ``schema.table``, without quotes."""


class DatabaseConnection(Value):
    """How ``psql`` and its sisters find the server, in libpq's own terms."""

    environment: dict[str, str] = Field(default_factory=dict)
    """libpq variables such as PGHOST, PGPORT, PGUSER, PGSERVICE, PGSSLMODE."""
    password_secret: OptionalSecretName = ""
    """Name of the secret that holds the password; empty with ~/.pgpass, peer or certificates."""

    @field_validator("environment")
    @classmethod
    def _known_and_not_secret(cls, value: dict[str, str]) -> dict[str, str]:
        if "PGPASSWORD" in value:
            raise ValueError("a password does not belong here: name it by password_secret")
        unknown = sorted(set(value) - _LIBPQ_VARIABLES)
        if unknown:
            raise ValueError(f"not a variable that libpq connects by: {', '.join(unknown)}")
        return value


class SqlCheck(Value):
    """A question to the database, with the answer that sound data give."""

    name: str = Field(min_length=1)
    """What is checked, in a few words."""
    sql: str = Field(min_length=1)
    """One SELECT; it runs in a read-only transaction."""
    expect: str
    """What psql prints unaligned: ``0``, ``t``, ``a|b``; several rows in several lines."""
    when: Literal["always", "after"] = "always"
    """``always``: it must hold now too, else the data count as corrupted."""

    @field_validator("expect", mode="before")
    @classmethod
    def _as_psql_prints(cls, value: object) -> object:
        if isinstance(value, bool):
            return "t" if value else "f"
        return str(value) if isinstance(value, int | float) else value


class VersionTable(Value):
    """Where the schema's version stands."""

    table: TableName = "schema_migrations"
    """The table, with its schema where it is not on the search path."""
    column: TableName = "version"
    """Its column with the version."""
    keeps: Literal["every", "latest"] = "every"
    """One row for every applied migration, or one row with the latest."""


class Writer(Value):
    """A Deployment that writes to the database; it is stopped meanwhile."""

    namespace: Namespace
    deployment: str
    """Name of the Deployment."""


class DatabaseTarget(Target):
    """What all methods have in common."""

    strategy: Literal["database"]
    writers: tuple[Writer, ...] = ()
    """What writes to it, to be stopped meanwhile."""

    @property
    def is_in_cluster(self) -> bool:
        """Only the applications on it are."""
        return bool(self.writers)


# Rolling a PostgreSQL database back: down migrations, or an archive restored beside it.


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
