"""SQL through ``psql``: what is asked is read-only, what changes is one transaction."""

# ruff: noqa: S608 - psql takes no parameters: names and texts are quoted by postgres.client.

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from bot.clouds.outside import Finished
from bot.core.errors import (
    ForbiddenError,
    NotFoundError,
    OutcomeUnknownError,
    PermanentError,
    RollbackBotError,
    TemporaryError,
)
from bot.core.mask import INSTEAD, Mask
from bot.core.values import Value
from bot.engine.world import World
from strategies.database.target import DatabaseConnection

# What programs say, without the passwords that they quote.
#
# Programs that connect to a database repeat what they were given: a traceback holds the URL, a
# failed statement its options, and an env.py may print its whole environment.

_USER_INFO = re.compile(r"://[^\s'\"<>]*@")
"""Up to the last @: a password that nobody encoded may hold one itself."""
_NAMED = re.compile(
    r"""
    (?P<name>\b\w*(?:password|passwd|passphrase|pwd)\b)
    (?P<between>['"]?\s*[=:]\s*|\s+(?='))
    (?P<value>'(?:[^'\\]|\\.|'')*'?|"(?:[^"\\]|\\.)*"?|[^\s,;)}\]]+)
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""``password=x`` of a DSN, ``PGPASSWORD=x``, ``'password': 'x'`` of a dict, ``PASSWORD 'x'``."""


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """Without the secrets that are known, and without whatever is written as passwords are."""
    text = Mask(secrets).hide(text)
    text = _USER_INFO.sub(f"://{INSTEAD}@", text)
    return _NAMED.sub(rf"\g<name>\g<between>{INSTEAD}", text)


# What psql complains of, in our families of errors.

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


def translated(database: str, finished: Finished, *, changed: bool) -> RollbackBotError:
    """psql's complaint in our families; exit status 2 is the connection, 3 a statement."""
    found = _SQLSTATE.findall(finished.errors)
    said = finished.errors.strip().splitlines()
    where = f"database {database}"
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


# The advisory lock that keeps two migrations apart.


def lock_key(database: str, configured: int | None) -> int:
    """The configured key, else one made of the database's name (64 bits, signed)."""
    if configured is not None:
        return configured
    made = hashlib.sha256(f"rollback-bot:{database}".encode()).digest()[:8]
    return int.from_bytes(made, "big", signed=True)


def take_lock(key: int) -> str:
    """SQL that takes the lock for the transaction, or fails at once."""
    return (
        f"DO $rollback_bot$ BEGIN IF NOT pg_try_advisory_xact_lock({key}) THEN RAISE EXCEPTION "
        f"'advisory lock {key} is held by somebody else' USING ERRCODE = '{LOCK_NOT_AVAILABLE}'; "
        "END IF; END $rollback_bot$;"
    )


async def lock_holders(session: Session, world: World, key: int) -> list[str]:
    """Who holds the lock: user, program and address, as far as the bot's role may see."""
    high, low = (key >> 32) & 0xFFFFFFFF, key & 0xFFFFFFFF
    rows = await session.rows(
        world,
        "SELECT l.pid, coalesce(a.usename, '?') AS who, coalesce(a.application_name, '') AS app "
        "FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid "
        "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
        f"AND l.classid::bigint = {high} AND l.objid::bigint = {low} "
        "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    return [_spoken(row) for row in rows]


def held_elsewhere(key: int, holders: list[str]) -> TemporaryError:
    """The error of a step that has to wait for the lock."""
    who = ", ".join(holders) or "somebody who has let go of it meanwhile"
    return TemporaryError(f"Advisory lock {key} is held by {who}.", "Wait until that has ended.")


async def connected(session: Session, world: World) -> list[str]:
    """Who else is connected to the database now."""
    rows = await session.rows(
        world,
        "SELECT pid, coalesce(usename, '?') AS who, coalesce(application_name, '') AS app "
        "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_type = 'client backend' ORDER BY backend_start",
    )
    return [_spoken(row) for row in rows]


def _spoken(row: dict[str, object]) -> str:
    app = f" ({row['app']})" if row["app"] else ""
    return f"{row['who']}{app}, process {row['pid']}"
