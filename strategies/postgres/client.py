"""SQL through ``psql``: what is asked is read-only, what changes is one transaction."""

# ruff: noqa: S608 - psql takes no parameters: names and texts are quoted by postgres.client.

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from bot.config.targets.postgres import DatabaseConnection
from bot.domain.values import Value
from bot.ports.outside import Finished
from bot.ports.world import World
from strategies.postgres.masking import masked
from strategies.postgres.refusals import translated

APPLICATION = "rollback-bot"
"""How the bot's sessions call themselves in ``pg_stat_activity``."""
READ_SECONDS = 30.0
_GRACE_SECONDS = 10.0
"""The server's own time limit ends a statement first; the program is ended after this."""


class Session(Value):
    """Where a database is, and how one gets there: enough for a step after a restart."""

    database: str
    connection: DatabaseConnection = DatabaseConnection()

    def at(self, database: str) -> Session:
        """Another database of the same server."""
        return self.model_copy(update={"database": database})

    def environment(self, world: World) -> dict[str, str]:
        """For a program of PostgreSQL; the password stands nowhere else."""
        secret = self.connection.password_secret
        password = {"PGPASSWORD": world.secrets.read(secret)} if secret else {}
        return {
            "PGAPPNAME": APPLICATION,
            "PGCONNECT_TIMEOUT": "10",
            "PGCLIENTENCODING": "UTF8",
            "LC_ALL": "C",
            "TZ": "UTC",
            **self.connection.environment,
            **password,
        }

    def command(self, *argv: str) -> str:
        """The same call in a shell, with the secret by its name."""
        words = [
            f"{name}={shlex.quote(value)}"
            for name, value in sorted(self.connection.environment.items())
        ]
        if self.connection.password_secret:
            words.append(f'PGPASSWORD="${self.connection.password_secret}"')
        return " ".join([*words, shlex.join(argv)])

    def psql(self, *arguments: str) -> str:
        """``psql`` in a shell."""
        return self.command("psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", self.database, *arguments)

    async def rows(self, world: World, query: str, *, seconds: float = READ_SECONDS) -> list[Any]:
        """The rows of one SELECT as JSON objects, read in a read-only transaction."""
        text = await self.text(
            world,
            f"SELECT coalesce(json_agg(to_json(found)), '[]') FROM ({query}\n) AS found",
            seconds=seconds,
        )
        rows: list[Any] = json.loads(text)
        return rows

    async def text(self, world: World, query: str, *, seconds: float = READ_SECONDS) -> str:
        """What psql prints for one SELECT, unaligned, read in a read-only transaction."""
        script = (
            f"BEGIN READ ONLY;\nSET LOCAL statement_timeout = {round(seconds * 1000)};\n"
            # An error instead of too small a count where policies would hide rows.
            f"SET LOCAL row_security = off;\n{query}\n;\nCOMMIT;\n"
        )
        finished = await self._run(world, script, seconds)
        if finished.status != 0:
            raise translated(self.database, finished, changed=False)
        return finished.output.removesuffix("\n")

    async def change(
        self,
        world: World,
        statements: str,
        *,
        statement_timeout: timedelta,
        lock_timeout: timedelta,
        whole_seconds: float | None = None,
    ) -> str:
        """Run statements in one transaction, all or nothing; gives what they print.

        The transaction is written out instead of asked of psql by ``--single-transaction``: when
        psql's input breaks off because the bot dies, it must not commit the first half.
        """
        seconds = statement_timeout.total_seconds()
        script = (
            "BEGIN;\n"
            f"SET LOCAL statement_timeout = {round(seconds * 1000)};\n"
            f"SET LOCAL lock_timeout = {round(lock_timeout.total_seconds() * 1000)};\n"
            f"{statements}\n;\nCOMMIT;\n"
        )
        finished = await self._run(world, script, whole_seconds or seconds)
        if finished.status != 0:
            raise translated(self.database, finished, changed=True)
        return finished.output

    async def bare(self, world: World, statement: str, *, seconds: float = READ_SECONDS) -> None:
        """Run statements that PostgreSQL does not allow inside of a transaction."""
        finished = await self._run(world, f"{statement}\n;\n", seconds)
        if finished.status != 0:
            raise translated(self.database, finished, changed=True)

    async def program(
        self,
        world: World,
        argv: Sequence[str],
        *,
        timeout_seconds: float,
        stdin: str = "",
        folder: str | None = None,
        environment: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> Finished:
        """Run a program that connects; its complaints hold no password.

        ``secrets`` are variables as ``environment`` is, whose values nobody may read.
        """
        given = {**self.environment(world), **(environment or {}), **(secrets or {})}
        finished = await world.commands.run(
            argv, environment=given, stdin=stdin, timeout_seconds=timeout_seconds, folder=folder
        )
        errors = self.masked(finished.errors, world, *(secrets or {}).values())
        return finished.model_copy(update={"errors": errors})

    def masked(self, text: str, world: World, *secrets: str) -> str:
        """A program's words without this session's password, these secrets and any other."""
        secret = self.connection.password_secret
        return masked(text, (*secrets, world.secrets.read(secret) if secret else ""))

    async def _run(self, world: World, script: str, seconds: float) -> Finished:
        # fmt: off
        argv = ("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose",
                "-v", "SHOW_CONTEXT=never", "-d", self.database, "-f", "-")
        # fmt: on
        return await self.program(
            world, argv, stdin=script, timeout_seconds=seconds + _GRACE_SECONDS
        )


def literal(text: str) -> str:
    """A string in SQL; independent of ``standard_conforming_strings``."""
    quoted = text.replace("'", "''")
    return "E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in text else f"'{quoted}'"


def identifier(name: str) -> str:
    """A name in SQL, quoted."""
    return '"' + name.replace('"', '""') + '"'


def qualified(name: str) -> str:
    """``table`` or ``schema.table`` of the catalog in SQL.

    Folded to lower case as PostgreSQL folds names that are written without quotes.
    """
    return ".".join(identifier(part.lower()) for part in name.split("."))


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first names, and how many more there are."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
