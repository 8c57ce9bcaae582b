"""A shop's database with three migrations, real rows, and what a rollback of it is asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from bot.catalog.service import ServiceEntry
from bot.clouds.commands import LocalCommands
from bot.clouds.outside import Finished
from bot.engine.world import World
from bot.incident.plan import Plan, Preflight, Step
from strategies.registry import strategy
from tests.strategies.running import run_step

MIGRATIONS = {
    "0040_create_users.up.sql": (
        "CREATE TABLE users (id serial PRIMARY KEY, email text NOT NULL);"
    ),
    "0040_create_users.down.sql": "DROP TABLE users;",
    "0041_add_preferences.up.sql": "ALTER TABLE users ADD COLUMN preferences text;",
    "0041_add_preferences.down.sql": (
        "-- what people have set since then is lost\nALTER TABLE users DROP COLUMN preferences;"
    ),
    "0042_add_oauth_tokens.up.sql": (
        "CREATE TABLE oauth_tokens (user_id int REFERENCES users, token text NOT NULL);\n"
        "ALTER TABLE users ADD CONSTRAINT lower_case CHECK (email = lower(email))"
    ),
    "0042_add_oauth_tokens.down.sql": (
        "ALTER TABLE users DROP CONSTRAINT lower_case;\nDROP TABLE oauth_tokens"
    ),
}
ROWS = """
INSERT INTO users (email, preferences)
  SELECT 'person' || n || '@example.com', CASE WHEN n <= 3 THEN 'dark' END
  FROM generate_series(1, 5) n;
INSERT INTO oauth_tokens SELECT id, 'token' FROM users WHERE id <= 4;
"""
CHECKS = (
    {"name": "users with e-mail", "sql": "SELECT count(*) FROM users", "expect": 5},
    {
        "name": "tokens without user",
        "sql": "SELECT to_regclass('oauth_tokens') IS NULL",
        "expect": True,
        "when": "after",
    },
)


class RecordedCommands(LocalCommands):
    """Runs programs for real and remembers with what."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.inputs: list[str] = []
        self.environments: list[Mapping[str, str]] = []

    async def run(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        stdin: str = "",
        timeout_seconds: float = 60.0,
        folder: str | None = None,
    ) -> Finished:
        self.calls.append(tuple(argv))
        self.inputs.append(stdin)
        self.environments.append(environment or {})
        return await super().run(
            argv,
            environment=environment,
            stdin=stdin,
            timeout_seconds=timeout_seconds,
            folder=folder,
        )


@dataclass(kw_only=True)
class Shop:
    """One database on a real server, and the bot's view of it."""

    world: World
    commands: RecordedCommands
    host: Path
    database: str
    folder: Path
    changes: dict[str, Any] = field(default_factory=dict)
    """Of the catalog's entry."""

    @property
    def service(self) -> ServiceEntry:
        target = {
            "strategy": "database",
            "method": "sql-migrations",
            "database": self.database,
            "connection": {"environment": {"PGHOST": str(self.host), "PGUSER": "postgres"}},
            **(self.changes if "method" in self.changes else self._plain_sql()),
        }
        return ServiceEntry.model_validate({"rollback": [target]})

    def _plain_sql(self) -> dict[str, Any]:
        return {"directory": str(self.folder), "checks": CHECKS, **self.changes}

    async def plan(
        self,
        target: str | None = None,
        *,
        bad: frozenset[str] = frozenset(),
        good: tuple[str, ...] = ("schema 0040",),
    ) -> Plan:
        return await strategy("database").plan(
            "shop", self.service, self.world, target=target, marked_bad=bad, known_good=good
        )

    async def run(self, step: Step) -> str:
        """What the pipeline does with one step."""
        return await run_step(step, self.world)

    async def run_all(self, plan: Plan) -> list[str]:
        return [await self.run(step) for step in plan.steps]

    async def undo(self, plan: Plan) -> list[str]:
        """The inverses of everything that changes, the last first."""
        steps = [step for step in reversed(plan.steps) if step.changes and step.inverse]
        return [await self.run(step.model_copy(update={"action": step.inverse})) for step in steps]

    def connect(self, database: str = "", **options: Any) -> psycopg.Connection[Any]:
        name = database or self.database
        return psycopg.connect(
            host=str(self.host), user="postgres", dbname=name, autocommit=True, **options
        )

    def sql(self, statement: str, database: str = "") -> list[tuple[Any, ...]]:
        with self.connect(database) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def versions(self) -> list[str]:
        rows = self.sql("SELECT version::text FROM schema_migrations ORDER BY 1")
        return [row[0] for row in rows]

    def schema(self) -> list[tuple[Any, ...]]:
        """Tables and columns, and when each migration is said to have been applied."""
        return self.sql(
            "SELECT table_name::text, column_name::text FROM information_schema.columns"
            " WHERE table_schema = 'public' ORDER BY 1, 2"
        )

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def sent_changes(self) -> int:
        """Scripts of the bot so far that could change something."""
        return sum(script.startswith("BEGIN;") for script in self.commands.inputs)


def preflight(plan: Plan, name: str) -> Preflight:
    return next(one for one in plan.preflights if one.name == name)


def reloaded(plan: Plan) -> Plan:
    """The plan as another process reads it from the journal."""
    return Plan.model_validate_json(plan.model_dump_json())


def steps_of(plan: Plan, kind: str) -> list[Step]:
    return [step for step in plan.steps if step.action.kind == kind]
