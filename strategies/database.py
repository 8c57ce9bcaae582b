"""Database: a PostgreSQL schema goes back by down migrations, or an archive takes its place."""

from __future__ import annotations

from collections.abc import Sequence

from bot.config.catalog import ServiceEntry
from bot.config.targets.database import SqlMigrationsTarget
from bot.domain.plan import Plan
from bot.errors import ConfigurationError, RollbackBotError
from bot.ports.world import Evidence, Instance, Observation, World
from strategies.database_downs import observe_downs, plan_downs, service_line
from strategies.database_evidence import database_evidence
from strategies.database_sql import SqlSource
from strategies.postgres.history import Source

TARGETS = (SqlMigrationsTarget,)


class Database:
    """See ``bot.ports.world.Strategy``; the releases are versions of the schema."""

    name = "database"

    async def observe(self, service: ServiceEntry, world: World) -> Observation:
        """The applied migrations and how far one could go down."""
        history, options = await observe_downs(_source(service), world)
        return Observation(
            live_release=history.links[0].release,
            candidates=tuple(one.candidate for one in options),
            summary=service_line(service, history),
        )

    async def plan(
        self,
        name: str,
        service: ServiceEntry,
        world: World,
        *,
        target: str | None,
        marked_bad: frozenset[str],
        known_good: Sequence[str],
    ) -> Plan:
        """Assess, stop the writers, go down one migration at a time, verify, start the writers."""
        return await plan_downs(
            _source(service),
            name,
            world,
            target=target,
            marked_bad=marked_bad,
            known_good=known_good,
        )

    async def instances(self, service: ServiceEntry, world: World) -> tuple[Instance, ...]:
        """The database itself, which has no replica that could be at another version."""
        source = _source(service)
        database = source.target.database
        try:
            history = await source.history(world)
        except RollbackBotError as error:
            return (
                Instance(
                    namespace="postgresql",
                    name=database,
                    release="unknown",
                    ready=False,
                    problem=error.what,
                ),
            )
        release = history.links[0].release
        return (Instance(namespace="postgresql", name=database, release=release, ready=True),)

    async def evidence(
        self, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        """The schema, the version table, sizes and sessions; never the data themselves."""
        source = _source(service)
        return await database_evidence(source.session, source.target.version, world)


def _source(service: ServiceEntry) -> Source:
    target = next((one for one in service.rollback if isinstance(one, TARGETS)), None)
    if target is None:
        raise ConfigurationError("The catalog names no database target for this service.")
    return SqlSource(target=target)
