"""What psql complains of, in our families of errors."""

from __future__ import annotations

import re

from bot.errors import (
    ForbiddenError,
    NotFoundError,
    OutcomeUnknownError,
    PermanentError,
    RollbackBotError,
    TemporaryError,
)
from bot.ports.outside import Finished

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
