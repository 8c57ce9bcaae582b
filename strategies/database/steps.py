"""The steps of a rollback by down migrations."""

# ruff: noqa: S608 - psql takes no parameters: names and texts are quoted by postgres.client.

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.core.errors import PermanentError, WorldMovedError
from bot.core.values import Value
from bot.engine.world import Observed, StepState, World
from bot.incident.plan import Concern, Milestone, Step, StepSpec
from strategies.database.client import Session, connected, listed, qualified
from strategies.database.server import Answers, Counted, missing_needs, require_all, run_checks
from strategies.database.target import SqlCheck, VersionTable
from strategies.database.versions import Applied, Link, Move, Source, read_applied
from strategies.database.writers import RecordedWriter, downtime, start_steps, stop_steps

# Step: ask once more, right before the first change, whether the database must be rolled back.


class AssessDatabaseParams(Value):
    """What was answered when the plan was made."""

    session: Session
    table: VersionTable
    before: str
    """Digest of the applied versions that was decided upon."""
    later: tuple[str, ...]
    """Digests that this plan itself leads to."""
    needs: tuple[str, ...]
    missing: tuple[str, ...]
    checks: tuple[SqlCheck, ...]
    failing: tuple[str, ...]
    """Names of the checks that did not hold."""
    because: str
    """The answers in a sentence."""


class AssessDatabase:
    """Compares the live answers with those of the plan; changes nothing."""

    name = "assess-database"

    async def observe(self, step: Step, world: World) -> Observed:
        """OTHER when other migrations are applied than those decided upon."""
        params = AssessDatabaseParams.model_validate(step.action.params)
        applied = await read_applied(params.session, params.table, world)
        summary = f"The newest applied migration is {applied.stored[-1]}."
        if applied.digest == params.before:
            return Observed(state=StepState.BEFORE, summary=summary)
        if applied.digest in params.later:
            return Observed(state=StepState.AFTER, summary=summary)
        others = ", ".join(await connected(params.session, world)) or "nobody"
        return Observed(
            state=StepState.OTHER,
            summary=summary,
            changed_by=f"somebody; PostgreSQL does not record who (connected now: {others})",
        )

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Raises WorldMovedError when an answer is another one than at the approval."""
        params = AssessDatabaseParams.model_validate(step.action.params)
        applied = await read_applied(params.session, params.table, world)
        if applied.digest != params.before:
            return f"Assessed before; {applied.stored[-1]} is the newest applied migration."
        missing = tuple(await missing_needs(params.session, world, params.needs))
        always = [check for check in params.checks if check.when == "always"]
        checked = await run_checks(params.session, world, always)
        failing = tuple(one.name for one in checked if not one.holds)
        if missing != params.missing or failing != params.failing:
            raise WorldMovedError(
                "The assessment of the database has changed since the approval: checks that do "
                f"not hold: {listed(failing) or 'none'}; missing: {listed(missing) or 'nothing'}.",
                "Nothing was changed. Plan again.",
            )
        return params.because


# Step: the schema and the data are as they should be.


class VerifyDatabaseParams(Value):
    """What must hold."""

    session: Session
    table: VersionTable
    versions: str
    """Digest of the versions that must be applied."""
    version: str
    """The newest of them, for people."""
    needs: tuple[str, ...]
    gone: tuple[str, ...]
    """Tables and columns that the migrations must have removed."""
    checks: tuple[SqlCheck, ...]


class VerifyDatabase:
    """Asks the version table, the catalog of the schema, and the configured checks."""

    name = "verify-database"

    async def observe(self, step: Step, world: World) -> Observed:
        """BEFORE: it is asked anew each time."""
        return Observed(state=StepState.BEFORE, summary="The database is to be asked.")

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError naming everything that is not as it should be."""
        params = VerifyDatabaseParams.model_validate(step.action.params)
        applied = await read_applied(params.session, params.table, world)
        if applied.digest != params.versions:
            raise PermanentError(
                f"The newest applied migration is {applied.stored[-1]}, and {params.version} was "
                "expected with everything before it.",
                "Somebody else migrates this database: plan again.",
            )
        missing = await missing_needs(params.session, world, params.needs)
        absent = await missing_needs(params.session, world, params.gone)
        left = sorted(set(params.gone) - set(absent))
        if missing or left:
            raise PermanentError(
                f"The schema says {params.version} but is another one: missing "
                f"{listed(missing) or 'nothing'}; still there {listed(left) or 'nothing'}.",
                "Compare the live schema with the migrations.",
            )
        checked = await run_checks(params.session, world, params.checks)
        said = require_all(checked, "The schema is right but data are not")
        return f"The schema is {params.version}; {said}."


_MIGRATION_SECONDS = 5.0
_ASK_SECONDS = 2.0
_RENAMING = re.compile(r"\b(RENAME|CREATE TABLE|ADD)\b")


@dataclass(frozen=True, kw_only=True)
class DownSteps:
    """Everything that the steps are made of."""

    source: Source
    applied: Applied
    moves: Sequence[Move]
    below: Link
    needs: tuple[str, ...]
    lost: Sequence[Counted]
    answers: Answers
    writers: Sequence[RecordedWriter]

    def all(self) -> tuple[Step, ...]:
        """Assess, stop the writers, go down, verify, start the writers, look once more."""
        patience = self.source.target.stop_timeout.total_seconds()
        if not self.moves:
            return (self._assess(),)
        starts = start_steps(self.writers, patience=patience)
        downs = [self._down(move) for move in self.moves]
        if not starts:
            downs[-1] = downs[-1].model_copy(update={"milestone": Milestone.SWITCHED})
        verified = self._verify("Verify schema and data", self.source.target.checks)
        middle = (verified, *starts) if starts else ()
        last = self._verify(
            "Verify that the schema stayed with the application running"
            if starts
            else "Verify schema and data",
            self.source.target.checks,
        ).model_copy(update={"milestone": Milestone.DRAINED})
        return (
            self._assess(),
            *stop_steps(self.writers, patience=patience),
            *downs,
            *middle,
            last,
        )

    def downtime(self) -> str:
        """While the writers are stopped."""
        return downtime(self.writers, len(self.moves) * _MIGRATION_SECONDS + _ASK_SECONDS)

    def _assess(self) -> Step:
        target, session = self.source.target, self.source.session
        return assess_step(
            AssessDatabaseParams(
                session=session,
                table=target.version,
                before=self.applied.digest,
                later=tuple(move.after for move in self.moves),
                needs=self.needs,
                missing=self.answers.missing,
                checks=target.checks,
                failing=self.answers.failing,
                because=f"Old application on the new schema? {self.answers.runs_because} "
                f"Breaking? {self.answers.breaking_because} "
                f"Corrupted? {self.answers.corrupted_because}",
            )
        )

    def _down(self, move: Move) -> Step:
        action, inverse = self.source.down(move, self.applied)
        return Step(
            title=f"Take migration {move.link.version} {move.link.name} down".replace("  ", " "),
            action=action,
            expects={"versions": move.before, "newest": move.link.version},
            inverse=inverse,
            command=action.command,
            estimate_seconds=_MIGRATION_SECONDS,
            concerns=Concern.DATA,
        )

    def _verify(self, title: str, checks: tuple[SqlCheck, ...]) -> Step:
        target = self.source.target
        params = VerifyDatabaseParams(
            session=self.source.session,
            table=target.version,
            versions=self.moves[-1].after,
            version=self.below.version,
            needs=self.needs,
            gone=self._gone(),
            checks=checks,
        )
        back = params.model_copy(
            update={
                "versions": self.applied.digest,
                "version": self.moves[0].link.version,
                "needs": (),
                "gone": (),
                "checks": tuple(one for one in checks if one.when == "always"),
            }
        )
        return Step(
            title=title,
            action=StepSpec(kind=VerifyDatabase.name, params=params.model_dump(mode="json")),
            expects={"versions": params.versions},
            inverse=StepSpec(
                kind=VerifyDatabase.name,
                params=back.model_dump(mode="json"),
                command=version_command(back.session, back),
            ),
            command=check_command(params),
            estimate_seconds=_ASK_SECONDS,
            changes=False,
            concerns=Concern.DATA,
        )

    def _gone(self) -> tuple[str, ...]:
        """What must not be there afterwards, unless the scripts make it anew."""
        scripts = [move.link.down.script for move in self.moves if move.link.down]
        words = " ".join(one.words for script in scripts for one in script.statements)
        if _RENAMING.search(words):
            return ()
        return tuple(
            f"{one.loss.name[0]}.{one.loss.column}" if one.loss.column else one.loss.table
            for one in self.lost
            if one.amount is not None and one.loss.how == "dropped" and _nameable(one)
        )


def _nameable(lost: Counted) -> bool:
    """Lower-case names of at most two parts are what the question can be asked with."""
    parts = [*lost.loss.name, *([lost.loss.column] if lost.loss.column else [])]
    return len(parts) <= 2 and all(part == part.lower() and "." not in part for part in parts)


def assess_step(params: AssessDatabaseParams) -> Step:
    """The first step, whatever comes after it."""
    return Step(
        title="Assess whether the database must be rolled back",
        action=StepSpec(kind=AssessDatabase.name, params=params.model_dump(mode="json")),
        expects={"versions": params.before},
        inverse=None,
        command=params.session.psql(
            "-c",
            f"SELECT * FROM {qualified(params.table.table)} ORDER BY 1",
            *(part for check in params.checks for part in ("-c", check.sql)),
        ),
        estimate_seconds=_ASK_SECONDS,
        changes=False,
        concerns=Concern.DATA,
    )


def version_command(session: Session, params: VerifyDatabaseParams) -> str:
    """Show what is applied."""
    table = qualified(params.table.table)
    return session.psql("-c", f"SELECT * FROM {table} ORDER BY 1")


def check_command(params: VerifyDatabaseParams) -> str:
    """Show what is applied, then ask each check; a wrong answer ends a script."""
    commands = [version_command(params.session, params)]
    for check in params.checks:
        ask = params.session.psql("-A", "-t", "-c", check.sql)
        expected = check.expect.replace("'", "'\\''")
        commands.append(f"test \"$({ask})\" = '{expected}'")
    return "\n".join(commands)
