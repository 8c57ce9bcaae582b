"""Which migrations are applied, as the database itself says."""

# ruff: noqa: S608 - psql takes no parameters: names and texts are quoted by postgres.client.

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from bot.core.errors import ConfigurationError, NotFoundError, PermanentError, WorldMovedError
from bot.core.values import Facts, Value
from bot.engine.world import World
from bot.incident.plan import StepSpec
from strategies.database.client import (
    UNDEFINED_COLUMN,
    UNDEFINED_TABLE,
    Session,
    SqlError,
    qualified,
)
from strategies.database.grammar import Compatibility, Script, compatibility, parse
from strategies.database.target import AlembicTarget, SqlMigrationsTarget, VersionTable


class Applied(Value):
    """The rows of the version table."""

    rows: tuple[tuple[str, Facts], ...]
    """Version as it is stored, and its whole row; in the order of the texts."""

    @property
    def stored(self) -> tuple[str, ...]:
        """The versions."""
        return tuple(version for version, _ in self.rows)

    @property
    def digest(self) -> str:
        """Of all versions together; the guard of every migration."""
        return digest(self.stored)

    @property
    def dirty(self) -> bool:
        """golang-migrate's mark of a migration that broke off."""
        return any(row.get("dirty") is True for _, row in self.rows)


def digest(versions: Sequence[str]) -> str:
    """SHA-256 over the versions in the order of their texts."""
    return hashlib.sha256("\n".join(sorted(versions)).encode()).hexdigest()


def digest_sql(table: VersionTable) -> str:
    """An expression for the same digest."""
    column = qualified(table.column)
    return (
        "(SELECT encode(sha256(convert_to(coalesce(string_agg("
        f"{column}::text, chr(10) ORDER BY {column}::text COLLATE \"C\"), ''), 'UTF8')), 'hex') "
        f"FROM {qualified(table.table)})"
    )


async def read_applied(session: Session, table: VersionTable, world: World) -> Applied:
    """Raises NotFoundError when there is no such table."""
    query = (
        f"SELECT {qualified(table.column)}::text AS version, to_json(kept) AS row "
        f"FROM {qualified(table.table)} AS kept"
    )
    try:
        rows: list[dict[str, Any]] = await session.rows(world, query)
    except SqlError as error:
        if error.state not in {UNDEFINED_TABLE, UNDEFINED_COLUMN}:
            raise
        raise NotFoundError(
            f"Database {session.database} has no table {table.table} with a column "
            f"{table.column} that tells its version.",
            "Name them by version in the catalog.",
        ) from error
    if not rows:
        raise PermanentError(
            f"Table {table.table} of database {session.database} is empty: no migration is applied."
        )
    found = sorted((str(row["version"]), row["row"]) for row in rows)
    return Applied(rows=tuple(found))


# A directory of plain SQL migrations: pairs of an up and a down script.

_FILE = re.compile(r"(?P<version>\d+)[._-](?P<name>.*?)(?:[._-](?P<way>up|down))?\.sql")


class ScriptFile(Value):
    """One file with SQL."""

    path: str
    sha256: str
    text: str

    @property
    def script(self) -> Script:
        """Its statements."""
        return parse(self.text)


class Migration(Value):
    """One step of the schema."""

    version: str
    """As its files are numbered, ``0042``."""
    name: str
    up: ScriptFile | None = None
    down: ScriptFile | None = None


def plain(version: str) -> str:
    """For comparing: a table may keep ``42`` for the files of ``0042``."""
    return version.lstrip("0") or "0" if version.isdigit() else version


async def read_migrations(directory: str) -> tuple[Migration, ...]:
    """All migrations, the oldest first. Raises ConfigurationError naming what is wrong."""
    return await asyncio.to_thread(_read_all, Path(directory))


async def read_script(path: str, sha256: str) -> str:
    """A script that was approved. Raises WorldMovedError when it is another one now."""
    try:
        found = await asyncio.to_thread(_read, Path(path))
    except (OSError, UnicodeDecodeError) as error:
        raise WorldMovedError(f"{path} cannot be read any more: {error}.", "Plan again.") from error
    if found.sha256 != sha256:
        raise WorldMovedError(f"{path} was changed after the approval.", "Plan again.")
    return found.text


def _read_all(directory: Path) -> tuple[Migration, ...]:
    if not directory.is_dir():
        raise ConfigurationError(
            f"The directory of migrations, {directory}, is not there.",
            "Check the catalog, and that the bot's machine has it.",
        )
    found: dict[str, Migration] = {}
    for path in sorted(directory.iterdir()):
        match = _FILE.fullmatch(path.name)
        if match is None or not path.is_file():
            continue
        try:
            script = _read(path)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path} cannot be read: {error}.") from error
        way = match["way"] or "up"
        key = plain(match["version"])
        known = found.setdefault(key, Migration(version=match["version"], name=match["name"]))
        if getattr(known, way) is not None:
            raise ConfigurationError(
                f"Two migrations in {directory} have the number {match['version']}.",
                "Number them apart: the bot cannot tell which one is applied.",
            )
        found[key] = known.model_copy(update={way: script})
    return tuple(sorted(found.values(), key=lambda one: int(one.version)))


def _read(path: Path) -> ScriptFile:
    content = path.read_bytes()
    return ScriptFile(
        path=str(path),
        sha256=hashlib.sha256(content).hexdigest(),
        text=content.decode("utf-8-sig"),
    )


# The chain of applied migrations, and where it comes from.


class Link(Value):
    """An applied migration."""

    version: str
    """As its author numbered it."""
    stored: str
    """As the version table keeps it; where only the latest is kept, as it would."""
    name: str
    down: ScriptFile | None = None
    up: ScriptFile | None = None
    problem: str = ""
    """Why the way down cannot be gone."""

    @property
    def release(self) -> str:
        """The schema as a release."""
        return f"schema {self.version}"

    @property
    def compatibility(self) -> Compatibility:
        """What its way up meant for the application before it."""
        if self.up is None:
            return Compatibility(unknown=("it has no up script to judge by",))
        return compatibility(self.up.text)


class History(Value):
    """What is applied, the newest first."""

    applied: Applied
    links: tuple[Link, ...]
    strange: tuple[str, ...] = ()
    """Versions in the database that no file explains."""
    whole: bool = True
    """False where older ones are behind a merge, so that the line does not tell of them."""


class Move(Value):
    """Taking one migration back."""

    link: Link
    below: Link
    """What is the newest afterwards."""
    before: str
    after: str
    lock: int
    earlier: tuple[str, ...] = ()
    """Digests of the plan's states before this move, for the way back."""
    later: tuple[str, ...] = ()
    """Digests of the plan's states after this move."""


class Source(Protocol):
    """Where migrations come from."""

    @property
    def target(self) -> SqlMigrationsTarget | AlembicTarget:
        """The catalog's entry."""

    @property
    def session(self) -> Session:
        """Where the database is."""

    async def history(self, world: World) -> History:
        """What is applied. Raises ConfigurationError or PermanentError when that is unclear."""

    async def read(self, world: World, links: Sequence[Link]) -> tuple[Link, ...]:
        """The links with their scripts and problems."""

    def down(self, move: Move, applied: Applied) -> tuple[StepSpec, StepSpec | None]:
        """The action with its command, and its inverse where there is one."""


def moves(
    history: History, reverted: Sequence[Link], *, latest_only: bool, lock: int
) -> tuple[Move, ...]:
    """One move for each reverted migration, the newest first."""
    found: list[Move] = []
    stored = list(history.applied.stored)
    for place, link in enumerate(reverted):
        below = history.links[place + 1]
        before = digest(stored)
        if latest_only:
            stored = [below.stored]
        else:
            stored.remove(link.stored)
        found.append(Move(link=link, below=below, before=before, after=digest(stored), lock=lock))
    return tuple(
        move.model_copy(
            update={
                "earlier": tuple(one.before for one in found[:place]),
                "later": tuple(one.after for one in found[place + 1 :]),
            }
        )
        for place, move in enumerate(found)
    )
