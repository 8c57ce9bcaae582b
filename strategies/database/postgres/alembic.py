"""Alembic by its command: ``history``, ``downgrade``, ``upgrade``, and ``--sql`` to see before."""

from __future__ import annotations

import hashlib
import re
import shlex

from bot.core.errors import PermanentError
from bot.core.values import Value
from bot.engine.world import World
from strategies.database.postgres.client import Session
from strategies.database.postgres.versions import ScriptFile

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
