"""The chain of applied migrations, and where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bot.config.targets.database import AlembicTarget, SqlMigrationsTarget
from bot.domain.plan import StepSpec
from bot.domain.values import Value
from bot.ports.world import World
from strategies.postgres.client import Session
from strategies.postgres.compatibility import Compatibility, compatibility
from strategies.postgres.migrations import ScriptFile
from strategies.postgres.versions import Applied, digest


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
