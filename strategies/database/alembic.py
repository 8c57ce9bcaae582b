"""Migrations by Alembic, one revision at a time."""

# ruff: noqa: S608 - psql takes no parameters: names and texts are quoted by postgres.client.

from __future__ import annotations

import asyncio
import hashlib
import re
import shlex
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from bot.core.errors import PermanentError, RollbackBotError, WorldMovedError
from bot.core.values import Facts, Value
from bot.engine.world import Observed, StepState, World
from bot.incident.plan import Step, StepSpec
from strategies.database.client import (
    Session,
    connected,
    held_elsewhere,
    literal,
    lock_holders,
    take_lock,
)
from strategies.database.target import AlembicTarget, VersionTable
from strategies.database.versions import Applied, History, Link, Move, ScriptFile, read_applied

# Alembic by its command: ``history``, ``downgrade``, ``upgrade``, and ``--sql`` to see before.

_LINE = re.compile(
    r"^(?P<down>\S+(?:, \S+)*)(?: \((?P<depends>[^)]*)\))? -> "
    r"(?P<revision>[^\s,]+)(?: \([^)]*\))*(?:, (?P<name>.*))?$",
    re.MULTILINE,
)
_REASON = re.compile(r"^(?:FAILED|(?:\w+\.)*[A-Z]\w*[a-z]\w*): .*$", re.MULTILINE)
"""Alembic's own refusal, or the last line of a traceback: what follows it is the SQL and a link."""
_TRANSACTION = re.compile(r"^\s*(BEGIN|COMMIT);\s*$", re.MULTILINE)
_SECONDS = 60.0


class Revision(Value):
    """A line of ``alembic history``."""

    revision: str
    down: tuple[str, ...]
    """Empty for the first, several for a merge or one that depends on another branch."""
    name: str


class Alembic(Value):
    """How it is called."""

    program: str
    folder: str
    environment: dict[str, str]
    url_variable: str
    url_secret: str
    version_table: str

    async def history(self, session: Session, world: World) -> dict[str, Revision]:
        """All revisions. Raises PermanentError when Alembic cannot tell."""
        text = await self.run(session, world, "history")
        return {
            match["revision"]: Revision(
                revision=match["revision"],
                down=_parents(match["down"], match["depends"] or ""),
                name=(match["name"] or "").strip(),
            )
            for match in _LINE.finditer(text)
        }

    async def offline(
        self, session: Session, world: World, verb: str, start: str, goal: str
    ) -> ScriptFile:
        """The SQL of a way, without transactions and the version's own update."""
        text = await self.run(session, world, verb, f"{start}:{goal}", "--sql")
        text = _TRANSACTION.sub("", text)
        update = re.compile(
            rf"^(UPDATE|DELETE FROM|INSERT INTO) \"?{re.escape(self.version_table)}\"? [^;]*;",
            re.MULTILINE,
        )
        text = update.sub("", text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        # People are shown words of it, and env.py may print what it likes in between.
        shown = session.masked(text, world, *self._secrets(world).values())
        return ScriptFile(path=f"{verb} {start}:{goal}", sha256=digest, text=shown)

    async def run(
        self, session: Session, world: World, *arguments: str, seconds: float = _SECONDS
    ) -> str:
        """Run it in its folder. Raises PermanentError with its last words."""
        finished = await session.program(
            world,
            (self.program, *arguments),
            environment={"PGDATABASE": session.database, **self.environment},
            secrets=self._secrets(world),
            timeout_seconds=seconds,
            folder=self.folder,
        )
        if finished.status != 0:
            raise PermanentError(
                f"{self.program} {' '.join(arguments)} failed: "
                f"{_last_words(finished.errors)[:300]}.",
                "Run it by hand where the bot runs to see more.",
            )
        return finished.output

    def _secrets(self, world: World) -> dict[str, str]:
        """Variables that nobody may read."""
        return {self.url_variable: world.secrets.read(self.url_secret)} if self.url_secret else {}

    def command(self, session: Session, *arguments: str) -> str:
        """The same in a shell."""
        words = [f"{key}={shlex.quote(text)}" for key, text in sorted(self.environment.items())]
        if self.url_secret:
            words.append(f'{self.url_variable}="${self.url_secret}"')
        words.append(f"PGDATABASE={shlex.quote(session.database)}")
        call = " ".join([*words, session.command(self.program, *arguments)])
        return f"(cd {shlex.quote(self.folder)} && {call})"


def _parents(down: str, depends: str) -> tuple[str, ...]:
    names = [*down.split(", "), *filter(None, depends.split(", "))]
    return tuple(name for name in names if name != "<base>")


def _last_words(errors: str) -> str:
    """Why it ended."""
    reasons = _REASON.findall(errors)
    lines = errors.strip().splitlines()
    return str(reasons[-1]) if reasons else lines[-1] if lines else "no reason given"


# Step: let Alembic take one revision down, or up again.

_POLL_SECONDS = 0.05


class RunAlembicParams(Value):
    """From one revision to its neighbour."""

    session: Session
    table: VersionTable
    alembic: Alembic
    way: Literal["down", "up"]
    version: str
    goal: str
    """The revision that is the newest afterwards."""
    before: str
    after: str
    further: tuple[str, ...] = ()
    """Digests that the same plan leads to later: there this step is done."""
    sha256: str
    """Of the SQL that was approved; empty for the way up."""
    lock: int
    seconds: float


class RunAlembic:
    """Alembic runs the revision in a transaction of its own; a session beside it keeps the lock."""

    name = "run-alembic"

    async def observe(self, step: Step, world: World) -> Observed:
        """By Alembic's version table."""
        params = RunAlembicParams.model_validate(step.action.params)
        applied = await read_applied(params.session, params.table, world)
        summary = f"{params.session.database} is at revision {', '.join(applied.stored)}."
        facts: Facts = {"revisions": list(applied.stored)}
        if applied.digest in {params.after, *params.further}:
            return Observed(state=StepState.AFTER, summary=summary, facts=facts)
        if applied.digest == params.before:
            return Observed(state=StepState.BEFORE, summary=summary, facts=facts)
        others = ", ".join(await connected(params.session, world)) or "nobody"
        return Observed(
            state=StepState.OTHER,
            summary=summary,
            facts=facts,
            changed_by=f"somebody; PostgreSQL does not record who (connected now: {others})",
        )

    async def act(self, step: Step, world: World) -> None:
        """Raises TemporaryError while somebody holds the lock, WorldMovedError for other SQL."""
        params = RunAlembicParams.model_validate(step.action.params)
        alembic = params.alembic
        async with _locked(params, world):
            applied = await read_applied(params.session, params.table, world)
            if applied.digest != params.before:
                raise WorldMovedError("Somebody else has migrated meanwhile.", "Plan again.")
            if params.sha256:
                shown = await alembic.offline(
                    params.session, world, "downgrade", params.version, params.goal
                )
                if shown.sha256 != params.sha256:
                    raise WorldMovedError(
                        f"The SQL of revision {params.version} was changed after the approval.",
                        "Plan again.",
                    )
            verb = "downgrade" if params.way == "down" else "upgrade"
            await alembic.run(params.session, world, verb, params.goal, seconds=params.seconds)

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError when Alembic has not arrived."""
        params = RunAlembicParams.model_validate(step.action.params)
        applied = await read_applied(params.session, params.table, world)
        if applied.digest not in {params.after, *params.further}:
            raise PermanentError(
                f"Alembic ended well, but the database is at {', '.join(applied.stored)} instead "
                f"of {params.goal}.",
                "Compare its env.py with the catalog: is it the same database?",
            )
        return f"Revision {params.version} was taken {params.way} by Alembic."


@asynccontextmanager
async def _locked(params: RunAlembicParams, world: World) -> AsyncIterator[None]:
    """Hold the advisory lock by a sleeping session, which ends by itself should the bot die."""
    session = params.session
    token = f"rollback-bot lock {params.lock} {params.before[:16]}"
    holding = asyncio.create_task(
        session.bare(
            world,
            f"BEGIN;\n{take_lock(params.lock)}\nSELECT pg_sleep({params.seconds}) /* {token} */",
            seconds=params.seconds,
        )
    )
    try:
        while not holding.done() and not await _sleeping(session, token, world):
            await world.clock.sleep(_POLL_SECONDS)
        if holding.done():
            holders = await lock_holders(session, world, params.lock)
            raise held_elsewhere(params.lock, holders) from holding.exception()
        yield
    finally:
        if not holding.done():
            await session.bare(
                world, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {_is(token)}"
            )
        with suppress(RollbackBotError):  # its end was our wish
            await holding


async def _sleeping(session: Session, token: str, world: World) -> bool:
    query = f"SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND {_is(token)}"
    return await session.text(world, query) != "0"


def _is(token: str) -> str:
    """Only the sleeping statement holds the token as its comment, after taking the lock."""
    return (
        f"query LIKE 'SELECT pg_sleep(%' AND strpos(query, {literal(token)}) > 0 "
        "AND pid <> pg_backend_pid()"
    )


@dataclass(frozen=True, kw_only=True)
class AlembicSource:
    """See ``strategies.database.versions.Source``."""

    target: AlembicTarget

    @property
    def session(self) -> Session:
        """Where the database is."""
        return Session(database=self.target.database, connection=self.target.connection)

    async def history(self, world: World) -> History:
        """From the live revision down, as far as the line has no branches."""
        applied = await read_applied(self.session, self.target.version, world)
        if len(applied.stored) > 1:
            raise PermanentError(
                f"Database {self.target.database} has several heads: {', '.join(applied.stored)}.",
                "The bot goes down a single line only: downgrade by hand.",
            )
        revisions = await self._alembic.history(self.session, world)
        [live] = applied.stored
        links, whole = _line(revisions, live)
        if not links:
            raise PermanentError(
                f"Alembic does not know revision {live}, at which the database is.",
                "Give the bot the migrations that were deployed.",
            )
        return History(applied=applied, links=links, whole=whole)

    async def read(self, world: World, links: Sequence[Link]) -> tuple[Link, ...]:
        """With the SQL that Alembic would run."""
        history = await self.history(world)
        below = {
            one.version: after.version
            for one, after in zip(history.links, history.links[1:], strict=False)
        }
        return tuple([await self._read(world, link, below[link.version]) for link in links])

    def down(self, move: Move, applied: Applied) -> tuple[StepSpec, StepSpec | None]:
        """Alembic's own commands in both directions."""
        return self._spec(move, "down"), self._spec(move, "up")

    @property
    def _alembic(self) -> Alembic:
        return Alembic(
            program=self.target.program,
            folder=self.target.folder,
            environment=self.target.environment,
            url_variable=self.target.url_variable,
            url_secret=self.target.url_secret,
            version_table=self.target.version.table,
        )

    async def _read(self, world: World, link: Link, below: str) -> Link:
        try:
            down = await self._alembic.offline(
                self.session, world, "downgrade", link.version, below
            )
        except PermanentError as error:
            problem = f"the downgrade of {link.version} cannot be seen before: {error.what}"
            return link.model_copy(update={"problem": problem})
        try:
            up = await self._alembic.offline(self.session, world, "upgrade", below, link.version)
        except PermanentError:
            up = None
        script = down.script
        problem = ""
        # What env.py prints in between is no SQL, and stops nothing: Alembic runs it, not the bot.
        if script.barred:
            problem = f"the downgrade of {link.version} cannot run: {script.barred}"
        elif script.empty:
            problem = f"the downgrade of {link.version} is empty"
        return link.model_copy(update={"down": down, "up": up, "problem": problem})

    def _spec(self, move: Move, way: Literal["down", "up"]) -> StepSpec:
        down = way == "down"
        goal = move.below.version if down else move.link.version
        params = RunAlembicParams(
            session=self.session,
            table=self.target.version,
            alembic=self._alembic,
            way=way,
            version=move.link.version,
            goal=goal,
            before=move.before if down else move.after,
            after=move.after if down else move.before,
            further=move.later if down else move.earlier,
            sha256=move.link.down.sha256 if down and move.link.down else "",
            lock=move.lock,
            seconds=self.target.statement_timeout.total_seconds(),
        )
        return StepSpec(
            kind=RunAlembic.name,
            params=params.model_dump(mode="json"),
            command=self._alembic.command(self.session, "downgrade" if down else "upgrade", goal),
        )


def _line(revisions: dict[str, Revision], live: str) -> tuple[tuple[Link, ...], bool]:
    """From the live one down, and whether that is as far as to the first of all."""
    links: list[Link] = []
    down: tuple[str, ...] = (live,)
    # A merge has several ways down: none of them is taken by itself.
    while len(down) == 1 and (found := revisions.get(down[0])):
        links.append(Link(version=found.revision, stored=found.revision, name=found.name))
        down = found.down
    return tuple(links), not down
