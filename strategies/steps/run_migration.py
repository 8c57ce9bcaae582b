"""Step: run one migration script, down or up, in one transaction with the version's change."""

# ruff: noqa: S608 - psql takes no parameters: names and texts are quoted by postgres.client.

from __future__ import annotations

import json
from datetime import timedelta
from typing import Literal

from bot.config.targets.postgres import VersionTable
from bot.domain.plan import Step
from bot.domain.values import Facts, Value
from bot.errors import PermanentError, TemporaryError, WorldMovedError
from bot.ports.world import Observed, StepState, World
from strategies.postgres.client import Session, identifier, literal, qualified
from strategies.postgres.locks import connected, held_elsewhere, lock_holders, take_lock
from strategies.postgres.migrations import read_script
from strategies.postgres.refusals import MOVED, SqlError
from strategies.postgres.sql import parse
from strategies.postgres.versions import digest_sql, read_applied


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
