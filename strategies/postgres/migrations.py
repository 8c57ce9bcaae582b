"""A directory of plain SQL migrations: pairs of an up and a down script."""

from __future__ import annotations

import asyncio
import hashlib
import re
from pathlib import Path

from bot.domain.values import Value
from bot.errors import ConfigurationError, WorldMovedError
from strategies.postgres.sql import Script, parse

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
