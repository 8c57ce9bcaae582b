"""Migrations as plain SQL files, read from a directory."""

# ruff: noqa: S608 - psql takes no parameters: names and texts are quoted by postgres.client.

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bot.config.targets.database import SqlMigrationsTarget
from bot.domain.plan import StepSpec
from bot.domain.values import Facts
from bot.errors import PermanentError
from bot.ports.world import World
from strategies.postgres.client import Session, literal, qualified
from strategies.postgres.history import History, Link, Move
from strategies.postgres.migrations import Migration, ScriptFile, plain, read_migrations
from strategies.postgres.versions import Applied, read_applied
from strategies.steps.run_migration import RunMigration, RunMigrationParams


@dataclass(frozen=True, kw_only=True)
class SqlSource:
    """See ``strategies.postgres.history.Source``."""

    target: SqlMigrationsTarget

    @property
    def session(self) -> Session:
        """Where the database is."""
        return Session(database=self.target.database, connection=self.target.connection)

    async def history(self, world: World) -> History:
        """The files whose versions the table names, or all up to the latest."""
        files = await read_migrations(self.target.directory)
        applied = await read_applied(self.session, self.target.version, world)
        links, strange = _matched(files, applied, latest_only=not self._keeps_every)
        if not links:
            raise PermanentError(
                f"None of the versions in table {self.target.version.table} has a file in "
                f"{self.target.directory}.",
                "Give the bot the migrations that were applied.",
            )
        return History(applied=applied, links=links, strange=strange)

    async def read(self, world: World, links: Sequence[Link]) -> tuple[Link, ...]:
        """With what is wrong with their files."""
        return tuple(
            link.model_copy(update={"problem": _problem(link.down, link)}) for link in links
        )

    def down(self, move: Move, applied: Applied) -> tuple[StepSpec, StepSpec | None]:
        """One transaction; the way up again brings the recorded row back."""
        link, below = move.link, move.below
        row = dict(applied.rows)[link.stored] if self._keeps_every else applied.rows[0][1]
        column = self.target.version.column.lower()
        lower: Facts = {**row, column: below.stored}
        higher: Facts = {**row, column: link.stored}
        if link.down is None:
            raise PermanentError(f"Migration {link.version} has no down script.")
        action = self._spec(
            move,
            link.down,
            way="down",
            removed=(link.stored,),
            added=() if self._keeps_every else (lower,),
        )
        if link.up is None:
            return action, None
        inverse = self._spec(
            move,
            link.up,
            way="up",
            removed=() if self._keeps_every else (below.stored,),
            added=(higher,),
        )
        return action, inverse

    @property
    def _keeps_every(self) -> bool:
        return self.target.version.keeps == "every"

    def _spec(
        self,
        move: Move,
        script: ScriptFile,
        *,
        way: Literal["down", "up"],
        removed: tuple[str, ...],
        added: tuple[Facts, ...],
    ) -> StepSpec:
        params = RunMigrationParams(
            session=self.session,
            table=self.target.version,
            way=way,
            version=move.link.version,
            path=script.path,
            sha256=script.sha256,
            before=move.before if way == "down" else move.after,
            after=move.after if way == "down" else move.before,
            further=move.later if way == "down" else move.earlier,
            removed=removed,
            added=added,
            lock=move.lock,
            lock_seconds=self.target.lock_timeout.total_seconds(),
            statement_seconds=self.target.statement_timeout.total_seconds(),
        )
        return StepSpec(
            kind=RunMigration.name,
            params=params.model_dump(mode="json"),
            command=_command(params),
        )


def _matched(
    files: Sequence[Migration], applied: Applied, *, latest_only: bool
) -> tuple[tuple[Link, ...], tuple[str, ...]]:
    """The applied migrations, the newest first; and what no file explains."""
    stored = {plain(one): one for one in applied.stored}
    known = {plain(one.version) for one in files}
    strange = tuple(text for number, text in stored.items() if number not in known)
    if latest_only and not strange:
        latest = next(iter(stored))
        # A column of numbers keeps 41 for the files of 0041.
        short = stored[latest] == latest
        stored = {
            plain(one.version): plain(one.version) if short else one.version
            for one in files
            if int(one.version) <= int(latest)
        }
    links = [
        Link(
            version=one.version,
            stored=stored[plain(one.version)],
            name=one.name,
            down=one.down,
            up=one.up,
        )
        for one in files
        if plain(one.version) in stored
    ]
    return tuple(reversed(links)), strange


def _problem(script: ScriptFile | None, link: Link) -> str:
    if script is None:
        return f"{link.version} {link.name} has no down script"
    parsed = script.script
    if parsed.problem:
        return f"the down script of {link.version} {link.name} cannot run: {parsed.problem}"
    return f"the down script of {link.version} {link.name} is empty" if parsed.empty else ""


def _command(params: RunMigrationParams) -> str:
    """The same in a shell; psql runs all parts in one transaction."""
    table, column = qualified(params.table.table), qualified(params.table.column)
    arguments = [
        *("--single-transaction", "-c", f"SELECT pg_advisory_xact_lock({params.lock})"),
        *("-f", params.path),
    ]
    for version in params.removed:
        arguments += ["-c", f"DELETE FROM {table} WHERE {column}::text = {literal(version)}"]
    for row in params.added:
        version = str(row[params.table.column.lower()])
        insert = (
            f"INSERT INTO {table} ({column}) SELECT {literal(version)} WHERE NOT EXISTS "
            f"(SELECT FROM {table} WHERE {column}::text = {literal(version)})"
        )
        arguments += ["-c", insert]
    return params.session.psql(*arguments)
