"""PostgreSQL's errors in words. See https://www.postgresql.org/docs/current/errcodes-appendix.html."""

from __future__ import annotations

from psycopg import Error, InterfaceError, OperationalError
from psycopg.errors import DiskFull, InsufficientPrivilege, ReadOnlySqlTransaction

from bot.errors import ForbiddenError, OutcomeUnknownError, PermanentError, TemporaryError

# What a server says that will let us in later. The code of a refused connection is not passed
# on by libpq, so its words must do.
_LATER = ("starting up", "shutting down", "too many", "remaining connection slots", "recovery")


def refused_connection(error: Error, where: str, password: str) -> Exception:
    """Why there is no connection to the database named ``where``."""
    said = " ".join(str(error).split())
    if password:
        said = said.replace(password, "***")
    if "FATAL:" in said and not any(word in said for word in _LATER):
        return PermanentError(
            f"The database {where} refuses the bot: {said}.",
            "Check user, password and database name in ROLLBACK_DATABASE_URL.",
        )
    return TemporaryError(
        f"The database {where} cannot be reached: {said}.",
        "Check that it runs, and host and port in ROLLBACK_DATABASE_URL.",
    )


def explained(error: Error, where: str, *, unconfirmed: bool) -> Exception:
    """The error that tells people what went wrong in a transaction.

    ``unconfirmed`` says that the connection broke while the transaction was being committed.
    An error that is nobody's fault but the program's is returned unchanged.
    """
    if isinstance(error, InsufficientPrivilege):
        return ForbiddenError(
            f"The bot's user may not do this in {where}: {error}.",
            "Let it create tables in its schema, and own them.",
        )
    if isinstance(error, ReadOnlySqlTransaction):
        return PermanentError(
            f"The database {where} is read-only.",
            "Point ROLLBACK_DATABASE_URL to the primary server.",
        )
    if isinstance(error, DiskFull):
        return PermanentError(f"The database {where} has no room left.", "Enlarge its disk.")
    if not isinstance(error, OperationalError | InterfaceError):
        return error
    if unconfirmed:
        return OutcomeUnknownError(
            f"The database {where} did not confirm a transaction: {error}.",
            "Load again: it may have been written.",
        )
    return TemporaryError(f"The database {where} broke off a transaction: {error}.")
