"""Migrations as plain SQL files, read from a directory."""

# ruff: noqa: S608 - psql takes no parameters: names and texts are quoted by postgres.client.

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from bot.core.errors import PermanentError, TemporaryError, WorldMovedError
from bot.core.values import Facts, Value
from bot.engine.world import Observed, StepState, World
from bot.incident.plan import Step, StepSpec
from strategies.database.client import (
    MOVED,
    Session,
    SqlError,
    connected,
    held_elsewhere,
    identifier,
    literal,
    lock_holders,
    qualified,
    take_lock,
)
from strategies.database.grammar import parse
from strategies.database.target import SqlMigrationsTarget, VersionTable
from strategies.database.versions import (
    Applied,
    History,
    Link,
    Migration,
    Move,
    ScriptFile,
    digest_sql,
    plain,
    read_applied,
    read_migrations,
    read_script,
)

# Step: run one migration script, down or up, in one transaction with the version's change.


class RunMigrationParams(Value):
    """Which script, and the version table before and after it."""

    session: Session
    table: VersionTable
    way: Literal["down", "up"]
    version: str
    path: str
    sha256: str
    before: str
    """Digest of the applied versions."""
    after: str
    further: tuple[str, ...] = ()
    """Digests that the same plan leads to later: there this step is done."""
    removed: tuple[str, ...]
    """Versions that leave the table, as they are stored there."""
    added: tuple[Facts, ...]
    """Rows that come into the table."""
    lock: int
    lock_seconds: float
    statement_seconds: float


def guarded(params: RunMigrationParams, script: str) -> str:
    """The transaction's content: lock, guard, script, version, guard."""
    return "\n".join(
        [
            take_lock(params.lock),
            _guard(params.table, params.before, "the applied migrations are not those approved"),
            script,
            ";",
            *_version_changes(params),
            _guard(params.table, params.after, "the script left an unexpected version behind"),
        ]
    )


def _guard(table: VersionTable, expected: str, message: str) -> str:
    return (
        f"DO $rollback_bot$ BEGIN IF {digest_sql(table)} <> '{expected}' THEN RAISE EXCEPTION "
        f"'{message}' USING ERRCODE = '{MOVED}'; END IF; END $rollback_bot$;"
    )


def _version_changes(params: RunMigrationParams) -> list[str]:
    """Idempotent, because some scripts keep the version table themselves."""
    name, column = qualified(params.table.table), qualified(params.table.column)
    changes = [
        f"DELETE FROM {name} WHERE {column}::text = {literal(version)};"
        for version in params.removed
    ]
    for row in params.added:
        columns = ", ".join(map(identifier, row))
        values = f"json_populate_record(NULL::{name}, {literal(json.dumps(row))})"
        key = literal(str(row[_key(params.table, row)]))
        changes.append(
            f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {values} "
            f"WHERE NOT EXISTS (SELECT FROM {name} WHERE {column}::text = {key});"
        )
    return changes


def _key(table: VersionTable, row: Facts) -> str:
    return next(name for name in row if name == table.column.lower())


class RunMigration:
    """Idempotent by the version table, which changes in the same transaction as the schema."""

    name = "run-migration"

    async def observe(self, step: Step, world: World) -> Observed:
        """By the digest of the applied versions."""
        params = RunMigrationParams.model_validate(step.action.params)
        applied = await read_applied(params.session, params.table, world)
        newest = applied.stored[-1]
        summary = f"The newest applied migration of {params.session.database} is {newest}."
        facts: Facts = {"versions": applied.digest, "newest": newest}
        if applied.digest in {params.after, *params.further}:
            return Observed(state=StepState.AFTER, summary=summary, facts=facts)
        if applied.digest == params.before and not applied.dirty:
            return Observed(state=StepState.BEFORE, summary=summary, facts=facts)
        broke = " A migration broke off in it (dirty)." if applied.dirty else ""
        others = ", ".join(await connected(params.session, world)) or "nobody"
        return Observed(
            state=StepState.OTHER,
            summary=f"{summary}{broke}",
            facts=facts,
            changed_by=f"somebody; PostgreSQL does not record who (connected now: {others})",
        )

    async def act(self, step: Step, world: World) -> None:
        """Raises WorldMovedError when script or version are not the approved ones.

        Raises TemporaryError while somebody holds the advisory lock or locks a table.
        """
        params = RunMigrationParams.model_validate(step.action.params)
        text = await read_script(params.path, params.sha256)
        script = parse(text)
        if script.empty or script.problem:
            raise PermanentError(
                f"{params.path} cannot run: {script.problem or 'it is empty'}.", "Mend it."
            )
        try:
            await params.session.change(
                world,
                guarded(params, text),
                statement_timeout=timedelta(seconds=params.statement_seconds),
                lock_timeout=timedelta(seconds=params.lock_seconds),
            )
        except SqlError as error:
            if error.state == MOVED:
                raise WorldMovedError(error.what, "Nothing was changed. Plan again.") from error
            raise PermanentError(
                f"Migration {params.version} ({params.way}) failed and was rolled back. "
                f"{error.what}",
                "Mend the script or the data, then plan again.",
            ) from error
        except TemporaryError as error:
            holders = await lock_holders(params.session, world, params.lock)
            if holders:
                raise held_elsewhere(params.lock, holders) from error
            raise

    async def confirm(self, step: Step, world: World) -> str:
        """Raises WorldMovedError when the version table says something else."""
        params = RunMigrationParams.model_validate(step.action.params)
        applied = await read_applied(params.session, params.table, world)
        if applied.digest not in {params.after, *params.further}:
            raise WorldMovedError(
                f"After migration {params.version} ({params.way}) the newest applied version is "
                f"{applied.stored[-1]}: somebody else migrates this database.",
                "Plan again.",
            )
        return f"Migration {params.version} was taken {params.way}; {applied.stored[-1]} is live."


@dataclass(frozen=True, kw_only=True)
class SqlSource:
    """See ``strategies.database.versions.Source``."""

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
