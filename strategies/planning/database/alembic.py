"""Migrations by Alembic, one revision at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bot.config.targets.database import AlembicTarget
from bot.domain.plan import StepSpec
from bot.errors import PermanentError
from bot.ports.world import World
from strategies.postgres.alembic import Alembic, Revision
from strategies.postgres.client import Session
from strategies.postgres.history import History, Link, Move
from strategies.postgres.versions import Applied, read_applied
from strategies.steps.run_alembic import RunAlembic, RunAlembicParams


@dataclass(frozen=True, kw_only=True)
class AlembicSource:
    """See ``strategies.postgres.history.Source``."""

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
        if script.problem:
            problem = f"the downgrade of {link.version} cannot run: {script.problem}"
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
