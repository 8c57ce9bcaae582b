"""Archives of ``pg_dump``: whether they can be read, how old they are, which schema they hold."""

from __future__ import annotations

import asyncio
import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path

from bot.core.errors import ConfigurationError, OutcomeUnknownError, PermanentError
from bot.core.values import Instant, Value
from bot.engine.world import World
from strategies.database.client import Session, masked
from strategies.database.target import VersionTable

_CREATED = re.compile(r"^; *Archive created at (\S+ \S+) UTC", re.MULTILINE)
_DATABASE = re.compile(r"^; *dbname: (.*)$", re.MULTILINE)
_FORMAT = re.compile(r"^; *Format: (\w+)", re.MULTILINE)
_LIST_SECONDS = 30.0
_READ_SECONDS = 120.0
_MOST = 10


class Archive(Value):
    """A readable archive."""

    path: str
    name: str
    created_at: Instant
    """When ``pg_dump`` began, by the clock of its machine: later changes are not in it."""
    database: str
    format: str
    versions: tuple[str, ...]
    """Applied migrations in it."""
    promised: str
    """SHA-256 of the file beside it; empty without one."""


class Unreadable(Value):
    """A file that is no use."""

    name: str
    why: str


def newest_first(directory: Path, pattern: str) -> list[Path]:
    """The newest files by their modification. Raises ConfigurationError without the directory."""
    if not directory.is_dir():
        raise ConfigurationError(
            f"The directory of archives, {directory}, is not there.",
            "Check the catalog, and that the bot's machine has it.",
        )
    files = [path for path in directory.glob(pattern) if path.is_file()]
    return sorted(files, key=lambda path: path.stat().st_mtime, reverse=True)[:_MOST]


async def read_archives(
    session: Session, table: VersionTable, world: World, *, directory: str, pattern: str
) -> tuple[tuple[Archive, ...], tuple[Unreadable, ...]]:
    """The newest archives, by the time that they were made, and what cannot be used."""
    paths = await asyncio.to_thread(newest_first, Path(directory), pattern)
    good: list[Archive] = []
    bad: list[Unreadable] = []
    for path in paths:
        try:
            good.append(await _read(session, table, world, path))
        except PermanentError as error:
            bad.append(Unreadable(name=path.name, why=error.what))
    good.sort(key=lambda one: one.created_at, reverse=True)
    return tuple(good), tuple(bad)


async def _read(session: Session, table: VersionTable, world: World, path: Path) -> Archive:
    listed = await _pg_restore(session, world, "--list", str(path), seconds=_LIST_SECONDS)
    created, database = _CREATED.search(listed), _DATABASE.search(listed)
    kind = _FORMAT.search(listed)
    if created is None or database is None or kind is None:
        raise PermanentError(f"{path.name} does not say when and of what it was made.")
    schema, _, name = table.table.lower().rpartition(".")
    only = ["-n", schema] if schema else []
    text = await _pg_restore(
        session,
        world,
        *("--data-only", *only, "-t", name, "-f", "-", str(path)),
        seconds=_LIST_SECONDS,
    )
    return Archive(
        path=str(path),
        name=path.name,
        created_at=datetime.strptime(created[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC),
        database=database[1].strip(),
        format=kind[1],
        versions=_versions(text, table, path.name),
        promised=await asyncio.to_thread(_promised, path),
    )


def _versions(text: str, table: VersionTable, name: str) -> tuple[str, ...]:
    """The column of versions in the COPY block of the table."""
    match = re.search(
        r"^COPY [^\n(]*\(([^)]*)\) FROM stdin;\n(.*?)^\\\.$", text, re.MULTILINE | re.DOTALL
    )
    columns = [one.strip().strip('"') for one in match[1].split(",")] if match else []
    if match is None or table.column.lower() not in columns:
        raise PermanentError(f"{name} holds no rows of table {table.table}: its schema is unknown.")
    place = columns.index(table.column.lower())
    found = [line.split("\t")[place] for line in match[2].splitlines()]
    if not found:
        raise PermanentError(f"{name} holds an empty table {table.table}.")
    return tuple(sorted(found))


def _promised(path: Path) -> str:
    """From ``<archive>.sha256``, as ``sha256sum`` writes it."""
    beside = path.with_name(f"{path.name}.sha256")
    words = beside.read_text(encoding="utf-8").split() if beside.is_file() else []
    return words[0].lower() if words else ""


async def checksum(path: str) -> str:
    """SHA-256 of the archive as it is now. Raises PermanentError when it cannot be read."""

    def work() -> str:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        raise PermanentError(f"{path} cannot be read: {error.strerror}.") from error


async def read_to_the_end(session: Session, world: World, path: str) -> str:
    """Why the archive cannot be read to its end; empty when it can. A list reads only its head.

    Raises OutcomeUnknownError when that takes too long to be waited for.
    """
    try:
        await _pg_restore(session, world, "-f", "/dev/null", path, seconds=_READ_SECONDS)
    except OutcomeUnknownError:
        raise
    except PermanentError as error:
        return error.what
    return ""


async def _pg_restore(session: Session, world: World, *arguments: str, seconds: float) -> str:
    """Without a connection: these calls only read the file."""
    finished = await world.commands.run(
        ("pg_restore", *arguments),
        environment={"TZ": "UTC", "LC_ALL": "C"},
        timeout_seconds=seconds,
    )
    if finished.status != 0:
        said = masked(finished.errors).strip().splitlines()
        why = said[0].removeprefix("pg_restore: error: ") if said else "no reason given"
        raise PermanentError(f"pg_restore cannot read {Path(arguments[-1]).name}: {why}.")
    return finished.output
