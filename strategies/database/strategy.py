"""Database: a PostgreSQL schema goes back by down migrations, or a backup takes its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, cast

from pydantic import Field

from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.objects import Right
from bot.core.errors import RollbackBotError
from bot.engine.world import Evidence, Instance, Observation, SchemaFit, Strategy, World
from bot.incident.freeze import MarkedObject
from bot.incident.plan import Plan
from strategies.database.alembic import AlembicSource, RunAlembic
from strategies.database.client import Session
from strategies.database.downs import (
    database_evidence,
    observe_downs,
    plan_downs,
    schema_fits,
    service_line,
)
from strategies.database.rds_plan import observe_rds, plan_rds, rds_evidence, rds_instances
from strategies.database.rds_restore import RdsKeep, RdsRestore
from strategies.database.rds_steps import RdsAdjust, RdsCompare, RdsRename, RdsVerify
from strategies.database.rds_target import AnyDatabaseTarget, RdsTarget
from strategies.database.restore import newest, plan_restore, read
from strategies.database.restore_steps import CompareRestored, KeepDatabase, RestoreArchive
from strategies.database.sql import RunMigration, SqlSource
from strategies.database.steps import AssessDatabase, VerifyDatabase
from strategies.database.swap_databases import SwapDatabases
from strategies.database.target import (
    AlembicTarget,
    DatabaseTarget,
    RestoreTarget,
    SqlMigrationsTarget,
)
from strategies.database.versions import Source, read_applied
from strategies.database.writers import RIGHTS, ScaleWriters
from strategies.freezing import deployments
from strategies.kubernetes.fields import SetFields


class Database(Strategy):
    """See ``bot.engine.world.Strategy``; the releases are versions of the schema."""

    name = "database"
    settings = Annotated[AnyDatabaseTarget, Field(discriminator="method")]
    steps = (
        SetFields(),
        ScaleWriters(),
        AssessDatabase(),
        RunMigration(),
        RunAlembic(),
        VerifyDatabase(),
        RestoreArchive(),
        CompareRestored(),
        SwapDatabases(),
        KeepDatabase(),
        RdsRestore(),
        RdsAdjust(),
        RdsCompare(),
        RdsRename(),
        RdsVerify(),
        RdsKeep(),
    )
    cost = 100
    moves_users = False

    def rights(self, service: ServiceEntry) -> dict[str, tuple[Right, ...]]:
        """What writes to it is stopped meanwhile."""
        return {one.namespace: RIGHTS for one in service.target(DatabaseTarget).writers}

    async def frozen(self, service: ServiceEntry, world: World) -> tuple[MarkedObject, ...]:
        """The applications on it: a schema that is older than theirs must not meet them again."""
        return tuple(
            one
            for writer in service.target(DatabaseTarget).writers
            for one in deployments(writer.namespace, writer.deployment)
        )

    async def observe(self, service: ServiceEntry, world: World) -> Observation:
        """The applied migrations and how far one could go down."""
        target = _target(service)
        if isinstance(target, RdsTarget):
            return await observe_rds(target, world)
        if isinstance(target, RestoreTarget):
            archives = await read(target, world)
            return Observation(
                live_release=archives.live,
                candidates=tuple(one.candidate for one in archives.options()),
                summary=f"Database {target.database} is at {archives.live}; "
                f"{len(archives.good)} archives can be restored.",
            )
        history, options = await observe_downs(_source(target), world)
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
        """By down migrations one at a time, or by an archive; assessed first, verified after."""
        entry = _target(service)
        if isinstance(entry, RdsTarget):
            return await plan_rds(
                entry, name, world, wanted=target, marked_bad=marked_bad, known_good=known_good
            )
        if isinstance(entry, RestoreTarget):
            return await plan_restore(
                entry,
                name,
                world,
                wanted=target,
                marked_bad=marked_bad,
                known_good=known_good,
            )
        return await plan_downs(
            _source(entry),
            name,
            world,
            target=target,
            marked_bad=marked_bad,
            known_good=known_good,
        )

    async def instances(self, service: ServiceEntry, world: World) -> tuple[Instance, ...]:
        """The database itself, which has no replica that could be at another version."""
        target = _target(service)
        if isinstance(target, RdsTarget):
            return await rds_instances(target, world)
        session = Session(database=target.database, connection=target.connection)
        found = Instance(
            namespace="postgresql",
            name=target.database,
            release="unknown",
            ready=False,
            askable=False,
        )
        try:
            if isinstance(target, RestoreTarget):
                applied = await read_applied(session, target.version, world)
                release = f"schema {newest(applied.stored)}"
            else:
                release = (await _source(target).history(world)).links[0].release
        except RollbackBotError as error:
            return (found.model_copy(update={"problem": error.what}),)
        return (found.model_copy(update={"release": release, "ready": True}),)

    async def evidence(
        self, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        """The schema, the version table, sizes and sessions; never the data themselves."""
        target = _target(service)
        if isinstance(target, RdsTarget):
            return await rds_evidence(target, world)
        session = Session(database=target.database, connection=target.connection)
        return await database_evidence(session, target.version, world)

    async def schema_fits(self, service: ServiceEntry, world: World, *, release: str) -> SchemaFit:
        """See ``bot.engine.world.KnowsSchema``."""
        return await schema_fits(_target(service), world, release)


def _target(service: ServiceEntry) -> AnyDatabaseTarget:
    return cast("AnyDatabaseTarget", service.target(DatabaseTarget))


def _source(target: SqlMigrationsTarget | AlembicTarget) -> Source:
    if isinstance(target, AlembicTarget):
        return AlembicSource(target=target)
    return SqlSource(target=target)


STRATEGY = Database()
