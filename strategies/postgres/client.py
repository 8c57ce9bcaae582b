"""SQL through ``psql``: what is asked is read-only, what changes is one transaction."""

# ruff: noqa: S608 - psql takes no parameters: names and texts are quoted by postgres.client.

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from bot.config.targets.database import DatabaseConnection
from bot.domain.values import Value
from bot.errors import (
    ForbiddenError,
    NotFoundError,
    OutcomeUnknownError,
    PermanentError,
    RollbackBotError,
    TemporaryError,
)
from bot.ports.outside import Finished
from bot.ports.world import World

APPLICATION = "rollback-bot"
"""How the bot's sessions call themselves in ``pg_stat_activity``."""
READ_SECONDS = 30.0
_GRACE_SECONDS = 10.0
"""The server's own time limit ends a statement first; the program is ended after this."""

LOCK_NOT_AVAILABLE = "55P03"
QUERY_CANCELED = "57014"
UNDEFINED_TABLE = "42P01"
UNDEFINED_COLUMN = "42703"
MOVED = "RB001"
"""SQLSTATE that our guards raise when the world is not as approved."""

_SQLSTATE = re.compile(r"^psql:[^\n]*?: +[^\s:]+: +([0-9A-Z]{5}): (.*)$", re.MULTILINE)
_LOST = re.compile(r"57P0[123]|08...")
_NO_DATABASE = re.compile(r'database "[^"]*" does not exist')
_NO_RIGHT = re.compile(
    r"authentication failed|no password supplied|no pg_hba\.conf entry|permission denied"
    r"|role \"[^\"]*\" (does not exist|is not permitted)|FATAL: +must be"
)


class SqlError(PermanentError):
    """The server refused a statement; ``state`` is its SQLSTATE."""

    def __init__(self, what: str, remedy: str = "", *, state: str) -> None:
        super().__init__(what, remedy)
        self.state = state


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
            raise translated(self, finished, changed=False)
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
            raise translated(self, finished, changed=True)
        return finished.output

    async def bare(self, world: World, statement: str, *, seconds: float = READ_SECONDS) -> None:
        """Run statements that PostgreSQL does not allow inside of a transaction."""
        finished = await self._run(world, f"{statement}\n;\n", seconds)
        if finished.status != 0:
            raise translated(self, finished, changed=True)

    async def _run(self, world: World, script: str, seconds: float) -> Finished:
        # fmt: off
        argv = ("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose",
                "-v", "SHOW_CONTEXT=never", "-d", self.database, "-f", "-")
        # fmt: on
        return await world.commands.run(
            argv,
            environment=self.environment(world),
            stdin=script,
            timeout_seconds=seconds + _GRACE_SECONDS,
        )


def translated(session: Session, finished: Finished, *, changed: bool) -> RollbackBotError:
    """psql's complaint in our families; exit status 2 is the connection, 3 a statement."""
    found = _SQLSTATE.findall(finished.errors)
    said = finished.errors.strip().splitlines()
    where = f"database {session.database}"
    if found and not _LOST.match(found[-1][0]):
        return _refusal(where, *found[-1])
    last = said[0].removeprefix("psql: error: ") if said else f"exit status {finished.status}"
    if _NO_DATABASE.search(last):
        return NotFoundError(f"PostgreSQL: {last}.", "Check the catalog.")
    if _NO_RIGHT.search(finished.errors):
        return ForbiddenError(
            f"PostgreSQL does not let the bot in to {where}: {last}.",
            "Check the user and password_secret of the catalog.",
        )
    if changed and "connection to server at" not in last and "socket" not in last:
        return OutcomeUnknownError(f"PostgreSQL: the connection to {where} was lost ({last}).")
    return TemporaryError(f"PostgreSQL cannot be reached, {where}: {last}.")


def _refusal(where: str, state: str, message: str) -> RollbackBotError:
    what = f"PostgreSQL refused, {where}: {message} (SQLSTATE {state})."
    if state == "42501":
        return ForbiddenError(what, "Grant the bot's role this right; see docs/strategies.")
    if state == LOCK_NOT_AVAILABLE:
        return TemporaryError(what, "Somebody holds a lock that this needs.")
    if state in {"40001", "40P01", "53300", "55006"}:
        return TemporaryError(what)
    return SqlError(what, state=state)


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
