"""Rolling a schema back by down migrations, wherever these come from."""

# ruff: noqa: S608 - psql takes no parameters: names and texts are quoted by postgres.client.

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.workloads import same_release
from bot.core.errors import RefusedError, RollbackBotError
from bot.core.values import amount
from bot.engine.world import Evidence, SchemaFit, World
from bot.incident.plan import Candidate, Plan, Preflight
from strategies.common.choice import Option, choose, rated
from strategies.common.preflights import blocked, passed, warned
from strategies.database.alembic import AlembicSource
from strategies.database.client import (
    READ_SECONDS,
    Session,
    connected,
    listed,
    literal,
    lock_holders,
    lock_key,
    qualified,
)
from strategies.database.grammar import losses
from strategies.database.rds_target import AnyDatabaseTarget
from strategies.database.server import Answers, Counted, ask, counted, missing_needs, run_checks
from strategies.database.sql import SqlSource
from strategies.database.steps import DownSteps
from strategies.database.target import (
    AlembicTarget,
    RestoreTarget,
    SqlMigrationsTarget,
    VersionTable,
)
from strategies.database.versions import History, Link, Source, moves, plain
from strategies.database.writers import RecordedWriter, check_writers, record_writers

# What is known of a way down: where it may end, and what it would take along.


@dataclass(frozen=True, kw_only=True)
class Downs:
    """What is known about a way down before it is a plan."""

    source: Source
    history: History
    reverted: tuple[Link, ...]
    answers: Answers
    lost: tuple[Counted, ...]
    writers: tuple[RecordedWriter, ...]
    lock: int

    @property
    def complete(self) -> bool:
        """Whether every migration can be taken back."""
        return not any(link.problem for link in self.reverted)


def downs_options(source: Source, history: History) -> list[Option]:
    """Every applied migration below the newest, the newest first."""
    by_schema: dict[str, set[str]] = {}
    for release, version in source.target.releases.items():
        by_schema.setdefault(plain(version), set()).add(release)
    return [
        Option(
            candidate=Candidate(
                release=link.release, detail=f"{link.name or 'no name'}, by {place} down migrations"
            ),
            aliases=frozenset(
                {link.version, plain(link.version), *by_schema.get(plain(link.version), ())}
            ),
        )
        for place, link in enumerate(history.links[1:], start=1)
    ]


def as_schemas(releases: dict[str, str], known_good: Sequence[str]) -> tuple[str, ...]:
    """Good releases of the application mean good versions of the schema."""
    return tuple(f"schema {releases[one]}" if one in releases else one for one in known_good)


def needs_of(entry: Source, version: str) -> tuple[str, ...]:
    """What the application of a schema version cannot do without."""
    needs = {plain(key): value for key, value in entry.target.needs.items()}
    return needs.get(plain(version), ())


async def known(source: Source, history: History, place: int, world: World) -> Downs:
    """Everything down to the link at this place."""
    target, session = source.target, source.session
    reverted = await source.read(world, history.links[:place])
    answers = await ask(
        session,
        world,
        ups=[(one.version, one.compatibility) for one in reverted],
        needs=needs_of(source, history.links[place].version),
        checks=target.checks,
    )
    found = [
        loss for one in reverted if one.down and not one.problem for loss in losses(one.down.script)
    ]
    return Downs(
        source=source,
        history=history,
        reverted=reverted,
        answers=answers,
        lost=await counted(session, world, found),
        writers=await record_writers(world, target.writers),
        lock=lock_key(session.database, target.advisory_lock),
    )


async def observe_downs(source: Source, world: World) -> tuple[History, list[Option]]:
    """What is applied and where one could go."""
    history = await source.history(world)
    return history, downs_options(source, history)


def service_line(entry: ServiceEntry, history: History) -> str:
    """What is live, in a sentence."""
    about = f" of {entry.description}" if entry.description else ""
    return (
        f"The database{about} is at {history.links[0].release} "
        f"({amount(len(history.applied.rows), 'row')} in its version table)."
    )


# Preflights of down migrations.


def check_history(history: History, table: VersionTable) -> Preflight:
    """Every applied version must be explained by a migration, and none broken off."""
    name = "Applied migrations"
    if history.applied.dirty:
        return blocked(
            name,
            f"Table {table.table} is marked dirty: a migration broke off in the middle. Mend the "
            "schema by hand first.",
        )
    if history.strange:
        return blocked(
            name,
            f"The database has versions that no file explains: {listed(history.strange)}. Their "
            "way down is unknown; give the bot the migrations that were deployed.",
        )
    return passed(name, f"{len(history.links)} are applied, and every one is known.")


def check_scripts(reverted: Sequence[Link]) -> Preflight:
    """Every way down must be there before the first one is gone."""
    problems = [link.problem for link in reverted if link.problem]
    if problems:
        return blocked(
            "Down scripts",
            f"{'; '.join(problems)}. Nothing runs unless all of them can: write what is missing.",
        )
    versions = listed([link.version for link in reverted])
    return passed("Down scripts", f"All {len(reverted)} are there, newest first: {versions}.")


def check_loss(lost: Sequence[Counted]) -> Preflight:
    """What would be destroyed, as counted now."""
    name = "Data loss"
    gone = [one.sentence for one in lost if one.amount != 0]
    if gone:
        return warned(name, f"Lost for good: {'; '.join(gone)}.")
    if lost:
        empty = listed([one.sentence for one in lost])
        return passed(name, f"What is dropped holds nothing now: {empty}.")
    return passed(name, "The down scripts drop, empty and overwrite nothing.")


async def check_lock(session: Session, world: World, key: int) -> Preflight:
    """Somebody else's migration must end first."""
    holders = await lock_holders(session, world, key)
    if holders:
        return blocked(
            "Advisory lock",
            f"{', '.join(holders)} holds the lock of migrations ({key}). Wait until it has ended.",
        )
    return passed("Advisory lock", f"Nobody holds the lock of migrations ({key}).")


async def check_server(
    session: Session,
    world: World,
    target: SqlMigrationsTarget | AlembicTarget,
    lost: Sequence[Counted],
) -> Preflight:
    """A primary, the rights, and nobody in the way."""
    name = "Server and rights"
    table = literal(qualified(target.version.table))
    tables = sorted({one.loss.sql for one in lost if one.loss.name})
    owned = " UNION ALL ".join(
        f"SELECT {literal(one)} AS name, to_regclass({literal(one)}) AS found" for one in tables
    )
    strangers = (
        f"(SELECT string_agg(t.name, ', ') FROM ({owned}) t JOIN pg_class c ON c.oid = t.found "
        "WHERE NOT pg_has_role(c.relowner, 'USAGE'))"
        if owned
        else "NULL"
    )
    wait = target.lock_timeout.total_seconds()
    [found] = await session.rows(
        world,
        "SELECT pg_is_in_recovery() AS standby, current_user AS me, "
        "current_setting('server_version') AS server, "
        f"has_table_privilege({table}, 'DELETE') AND has_table_privilege({table}, 'INSERT') "
        f"AS versions, {strangers} AS strangers, "
        "(SELECT string_agg(format('%s, process %s', usename, pid), '; ') FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() "
        f"AND xact_start < now() - interval '{wait} seconds') AS long",
    )
    if found["standby"]:
        return blocked(name, "This server is a standby: name the primary in the catalog.")
    if not found["versions"]:
        return blocked(
            name,
            f"Role {found['me']} may not write to table {target.version.table}. Grant it INSERT "
            "and DELETE there.",
        )
    if found["strangers"]:
        return blocked(
            name,
            f"Role {found['me']} does not own {found['strangers']} and cannot change it. Make it "
            "a member of the owner's role.",
        )
    if found["long"]:
        return warned(
            name,
            f"A transaction has been open for long ({found['long']}); a migration that needs its "
            f"tables gives up after {wait:g} s and is tried again.",
        )
    return passed(name, f"PostgreSQL {found['server']}, a primary; role {found['me']} may do it.")


async def plan_downs(
    source: Source,
    name: str,
    world: World,
    *,
    target: str | None,
    marked_bad: frozenset[str],
    known_good: Sequence[str],
) -> Plan:
    """Refuses when nothing has to be done, unless a person names the version to go back to."""
    history = await source.history(world)
    options = downs_options(source, history)
    good = as_schemas(source.target.releases, known_good)
    choice = choose(
        options,
        live=history.links[0].release,
        target=target,
        marked_bad=marked_bad,
        known_good=good,
    )
    place = options.index(choice.option) + 1
    downs = await known(source, history, place, world)
    if target is None and downs.answers.avoidable:
        raise RefusedError(
            f"Nothing to do: database {source.session.database} can stay at "
            f"{history.links[0].release}. {downs.answers.runs_because}",
            "Roll back the application alone. Name a version to go back to it all the same.",
        )
    candidates = tuple(one.candidate for one in options)
    return _built(
        downs,
        name,
        preflights=(choice.preflight, *await _preflights(downs, world)),
        candidates=rated(candidates, marked_bad=marked_bad, known_good=good),
        observed_at=world.clock.now(),
    )


async def _preflights(downs: Downs, world: World) -> tuple[Preflight, ...]:
    session, target = downs.source.session, downs.source.target
    others = await connected(session, world)
    return (
        *downs.answers.preflights(),
        check_history(downs.history, target.version),
        check_scripts(downs.reverted),
        check_loss(downs.lost),
        await check_server(session, world, target, downs.lost),
        await check_lock(session, world, downs.lock),
        *await check_writers(world, downs.writers, connected=others),
    )


def _built(
    downs: Downs,
    name: str,
    *,
    preflights: tuple[Preflight, ...],
    candidates: tuple[Candidate, ...],
    observed_at: datetime,
) -> Plan:
    target, history = downs.source.target, downs.history
    below = history.links[len(downs.reverted)]
    steps = DownSteps(
        source=downs.source,
        applied=history.applied,
        # One that is missing leaves no way down at all.
        moves=moves(
            history,
            downs.reverted if downs.complete else (),
            latest_only=target.version.keeps == "latest",
            lock=downs.lock,
        ),
        below=below,
        needs=needs_of(downs.source, below.version),
        lost=downs.lost,
        answers=downs.answers,
        writers=downs.writers,
    )
    gone = [one.sentence for one in downs.lost if one.amount != 0]
    return Plan(
        service=name,
        strategy="database",
        from_release=history.links[0].release,
        to_release=below.release,
        version_after="",
        steps=steps.all(),
        preflights=preflights,
        not_reversible=_not_reversible(downs, bool(gone)),
        not_restored=(
            "the release of the application: roll it back first",
            "data that the new release wrote wrongly: down migrations repair nothing",
            "roles, settings and other databases of the server",
        ),
        data_loss="; ".join(gone) if gone else "None",
        downtime=steps.downtime(),
        candidates=candidates,
        typed_confirmation=target.database if gone else "",
        observed={
            "database": target.database,
            "versions": history.applied.digest,
            "reverted": [link.version for link in downs.reverted],
        },
        observed_at=observed_at,
    )


def _not_reversible(downs: Downs, loses: bool) -> tuple[str, ...]:
    lost = ("the data that the down migrations destroy: running them up again brings back none",)
    return (lost if loses else ()) + tuple(
        f"migration {link.version}: it has no up script" for link in downs.reverted if not link.up
    )


# Does the schema as it is now fit a release of the application?


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


# What a rollback of a database would destroy, without the data: nobody's rows leave the server.

_SIZES = """
SELECT s.schemaname, s.relname, s.n_live_tup AS rows_estimated,
  pg_total_relation_size(s.relid) AS bytes, s.n_tup_ins AS inserted, s.n_tup_upd AS updated,
  s.n_tup_del AS deleted
FROM pg_stat_user_tables s ORDER BY 1, 2
"""
_SESSIONS = """
SELECT pid, usename, application_name, client_addr, backend_start, xact_start, state, wait_event
FROM pg_stat_activity WHERE datname = current_database() ORDER BY backend_start
"""


async def database_evidence(
    session: Session, table: VersionTable, world: World
) -> tuple[Evidence, ...]:
    """What cannot be read is named in its place."""
    versions = f"SELECT * FROM {qualified(table.table)} ORDER BY 1"
    return (
        Evidence(name="schema.sql", text=await _schema(session, world)),
        Evidence(name="versions.txt", text=await _table(session, world, versions)),
        Evidence(name="tables.txt", text=await _table(session, world, _SIZES)),
        Evidence(name="sessions.txt", text=await _table(session, world, _SESSIONS)),
    )


async def _schema(session: Session, world: World) -> str:
    try:
        finished = await session.program(
            world,
            ("pg_dump", "--schema-only", "--no-password", "-d", session.database),
            timeout_seconds=READ_SECONDS,
        )
    except RollbackBotError as error:
        return f"The schema could not be read: {error.what}\n"
    if finished.status != 0:
        return f"The schema could not be read: {finished.errors.strip()}\n"
    # User mappings and subscriptions are dumped with their passwords.
    return session.masked(finished.output, world)


async def _table(session: Session, world: World, query: str) -> str:
    try:
        rows = await session.rows(world, query)
    except RollbackBotError as error:
        return f"This could not be read: {error.what}\n"
    lines = ["\t".join(map(str, row.values())) for row in rows]
    header = ["\t".join(rows[0])] if rows else ["No rows."]
    return "\n".join([*header, *lines]) + "\n"
