"""Does the schema as it is now fit a release of the application?"""

from __future__ import annotations

from bot.config.targets.database import AlembicTarget, RestoreTarget, SqlMigrationsTarget
from bot.config.targets.rds import AnyDatabaseTarget
from bot.domain.releases import same_release
from bot.ports.world import SchemaFit, World
from strategies.planning.database.alembic import AlembicSource
from strategies.planning.database.sql import SqlSource
from strategies.planning.database.way_down import needs_of
from strategies.postgres.client import Session
from strategies.postgres.history import History, Source
from strategies.postgres.migrations import plain
from strategies.postgres.questions import ask, missing_needs, run_checks


async def schema_fits(target: AnyDatabaseTarget, world: World, release: str) -> SchemaFit:
    """Judged as a plan does: by what the newer migrations did, and by what the release needs.

    Raises the database's errors when it cannot be asked.
    """
    if not isinstance(target, SqlMigrationsTarget | AlembicTarget | RestoreTarget):
        return SchemaFit(fits=None, evidence=("This kind of database cannot be looked into.",))
    written_for = next(
        (v for name, v in target.releases.items() if same_release(name, release)), None
    )
    if written_for is None:
        why = f"The catalog does not say for which schema {release} was written"
        return SchemaFit(fits=None, evidence=(f"{why} (releases of {target.database}).",))
    if isinstance(target, RestoreTarget):
        return await _by_needs(target, world, written_for)
    source: Source
    if isinstance(target, AlembicTarget):
        source = AlembicSource(target=target)
    else:
        source = SqlSource(target=target)
    return await _by_migrations(source, world, release, written_for)


async def _by_migrations(source: Source, world: World, release: str, written_for: str) -> SchemaFit:
    history = await source.history(world)
    versions = [plain(link.version) for link in history.links]
    name, live = source.session.database, history.links[0].release
    if plain(written_for) not in versions:
        return _not_in_line(history, name, release, written_for)
    newer = await source.read(world, history.links[: versions.index(plain(written_for))])
    answers = await ask(
        source.session,
        world,
        ups=[(link.version, link.compatibility) for link in newer],
        needs=needs_of(source, written_for),
        checks=source.target.checks,
    )
    told = [f"Database {name} is at {live}; {release} was written for schema {written_for}."]
    told.append(answers.runs_because)
    if answers.corrupted:
        told.append(answers.corrupted_because)
    if not newer and not answers.missing and not answers.corrupted:
        return SchemaFit(fits=True, evidence=(told[0],))
    return SchemaFit(fits=False if answers.corrupted else answers.runs, evidence=tuple(told))


def _not_in_line(history: History, name: str, release: str, written_for: str) -> SchemaFit:
    """It is lacking only where nothing is out of sight."""
    live = history.links[0].release
    if history.whole and plain(written_for) not in map(plain, history.applied.stored):
        missing = f"Database {name} is at {live} and lacks schema {written_for}, which {release} "
        return SchemaFit(fits=False, evidence=(f"{missing}was written for.",))
    why = (
        f"Database {name} is at {live}, and the migrations at hand do not tell what was done since "
        f"schema {written_for}, for which {release} was written."
    )
    return SchemaFit(fits=None, evidence=(why,))


async def _by_needs(target: RestoreTarget, world: World, written_for: str) -> SchemaFit:
    """Without migrations only what is named can be looked for."""
    session = Session(database=target.database, connection=target.connection)
    needs = next((v for key, v in target.needs.items() if plain(key) == plain(written_for)), ())
    missing = await missing_needs(session, world, needs)
    checks = [one for one in target.checks if one.when == "always"]
    wrong = [one.sentence for one in await run_checks(session, world, checks) if not one.holds]
    if missing or wrong:
        lacking = f"Database {target.database} lacks {', '.join(missing)}." if missing else ""
        return SchemaFit(fits=False, evidence=tuple(filter(None, (lacking, *wrong))))
    if needs:
        found = f"Database {target.database} has everything that schema {written_for} needs."
        return SchemaFit(fits=True, evidence=(found,))
    return SchemaFit(
        fits=None,
        evidence=(f"The catalog does not name what schema {written_for} needs (needs).",),
    )
