"""The steps of a restore."""

from __future__ import annotations

import shlex

from bot.domain.plan import Concern, Milestone, Step, StepSpec
from bot.domain.values import Value
from strategies.planning.database.restore_checks import Restore
from strategies.planning.database.steps import assess_step, check_command
from strategies.planning.database.writer_steps import start_steps, stop_steps
from strategies.steps.assess_database import AssessDatabaseParams
from strategies.steps.compare_restored import CompareRestored, CompareRestoredParams
from strategies.steps.restore_archive import (
    KeepDatabase,
    KeepDatabaseParams,
    RestoreArchive,
    RestoreArchiveParams,
    createdb,
    pg_restore,
)
from strategies.steps.swap_databases import SwapDatabases, SwapDatabasesParams, swap_script
from strategies.steps.verify_database import VerifyDatabase, VerifyDatabaseParams

_RESTORE_SECONDS = 300.0


def restore_steps(restore: Restore) -> tuple[Step, ...]:
    """Restore beside, compare, stop the writers, swap, verify, start the writers, look again.

    Nothing live is touched before the writers are stopped.
    """
    patience = restore.target.stop_timeout.total_seconds()
    starts = start_steps(restore.writers, patience=patience)
    swap = _swap(restore)
    if not starts:
        swap = swap.model_copy(update={"milestone": Milestone.SWITCHED})
    verify = _verify(restore)
    last = verify.model_copy(update={"milestone": Milestone.DRAINED})
    if starts:
        title = "Verify that the schema stayed with the application running"
        last = last.model_copy(update={"title": title})
    return (
        _assess(restore),
        _restore(restore),
        _compare(restore),
        *stop_steps(restore.writers, patience=patience),
        swap,
        *((verify, *starts) if starts else ()),
        last,
    )


def _assess(restore: Restore) -> Step:
    answers = restore.answers
    return assess_step(
        AssessDatabaseParams(
            session=restore.session,
            table=restore.target.version,
            before=restore.applied.digest,
            later=(restore.versions,),
            needs=restore.needs,
            missing=answers.missing,
            checks=tuple(one for one in restore.target.checks if one.when == "always"),
            failing=answers.failing,
            because=f"Corrupted? {answers.corrupted_because}",
        )
    )


def _restore(restore: Restore) -> Step:
    live, target = restore.live, restore.target
    params = RestoreArchiveParams(
        maintenance=restore.maintenance,
        database=live.name,
        oid=live.oid,
        new=restore.new,
        archive=restore.archive.path,
        sha256=restore.sha256,
        # Only these two formats can be read by several processes.
        jobs=target.jobs if restore.archive.format in {"CUSTOM", "DIRECTORY"} else 1,
        owner=live.owner,
        encoding=live.encoding,
        collate=live.collate,
        ctype=live.ctype,
        timeout_seconds=target.restore_timeout.total_seconds(),
    )
    keep = KeepDatabaseParams(database=restore.new)
    shown = f"{restore.sha256}  {restore.archive.path}"
    return Step(
        title=f"Restore {restore.archive.name} into the new database {restore.new}",
        action=_spec(RestoreArchive.name, params),
        expects={"database": live.name, "oid": live.oid, "sha256": restore.sha256},
        inverse=_spec(KeepDatabase.name, keep, f"# {restore.new} is kept; drop it when unneeded"),
        command=f"echo {shlex.quote(shown)} | sha256sum --check\n"
        f"{restore.session.command(*createdb(params))}\n"
        f"{restore.session.command(*pg_restore(params))}",
        estimate_seconds=_RESTORE_SECONDS,
        concerns=Concern.DATA,
    )


def _compare(restore: Restore) -> Step:
    params = CompareRestoredParams(
        live=restore.session,
        new=restore.new,
        maintenance=restore.maintenance,
        oid=restore.live.oid,
        table=restore.target.version,
        versions=restore.versions,
        minimum_share=restore.target.minimum_share,
        checks=restore.target.checks,
    )
    new = restore.session.at(restore.new)
    command = check_command(
        VerifyDatabaseParams(
            session=new,
            table=restore.target.version,
            versions=restore.versions,
            version=restore.version,
            needs=(),
            gone=(),
            checks=restore.target.checks,
        )
    )
    return Step(
        title=f"Compare {restore.new} with {restore.live.name}: schema, rows, checks",
        action=_spec(CompareRestored.name, params),
        expects={"versions": restore.versions},
        inverse=None,
        command=command,
        estimate_seconds=30.0,
        changes=False,
        concerns=Concern.DATA,
    )


def _swap(restore: Restore) -> Step:
    params = SwapDatabasesParams(
        maintenance=restore.maintenance,
        database=restore.live.name,
        incoming=restore.new,
        aside=restore.aside,
        old_oid=restore.live.oid,
        back=False,
        end_sessions=bool(restore.writers),
    )
    # Whoever asks for the old database back wants it whoever is connected.
    back = params.model_copy(
        update={
            "incoming": restore.aside,
            "aside": restore.new,
            "back": True,
            "end_sessions": True,
        }
    )
    return Step(
        title=f"End all sessions, rename {restore.live.name} to {restore.aside} and "
        f"{restore.new} to {restore.live.name}",
        action=_spec(SwapDatabases.name, params),
        expects={"oid": restore.live.oid},
        inverse=_spec(SwapDatabases.name, back, _psql(params, back)),
        command=_psql(params, params),
        estimate_seconds=5.0,
        concerns=Concern.DATA,
    )


def _verify(restore: Restore) -> Step:
    params = VerifyDatabaseParams(
        session=restore.session,
        table=restore.target.version,
        versions=restore.versions,
        version=restore.version,
        needs=restore.needs,
        gone=(),
        checks=restore.target.checks,
    )
    return Step(
        title="Verify schema and data",
        action=_spec(VerifyDatabase.name, params),
        expects={"versions": restore.versions},
        inverse=None,
        command=check_command(params),
        estimate_seconds=2.0,
        changes=False,
        concerns=Concern.DATA,
    )


def _psql(where: SwapDatabasesParams, params: SwapDatabasesParams) -> str:
    return f"{where.maintenance.psql('-f', '-')} <<'SQL'\n{swap_script(params)}SQL"


def _spec(kind: str, params: Value, command: str = "") -> StepSpec:
    return StepSpec(kind=kind, params=params.model_dump(mode="json"), command=command)
