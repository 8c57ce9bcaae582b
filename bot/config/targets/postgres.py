"""How a PostgreSQL database is named, reached and asked, and what writes to it."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from bot.config.addresses import Namespace
from bot.config.secrets import OptionalSecretName
from bot.config.targets.base import Target
from bot.domain.values import Value

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
