"""The databases of a server, as one that creates and renames them must know them."""

# ruff: noqa: S608 - psql takes no parameters: names and texts are quoted by postgres.client.

from __future__ import annotations

from collections.abc import Sequence

from bot.core.errors import PermanentError
from bot.core.values import Value, amount
from bot.engine.world import World
from bot.incident.plan import Preflight
from strategies.common.preflights import passed, warned
from strategies.database.client import (
    QUERY_CANCELED,
    Session,
    SqlError,
    identifier,
    listed,
    literal,
    qualified,
)
from strategies.database.grammar import Compatibility, Loss, parse
from strategies.database.target import SqlCheck, VersionTable

RESTORED = "rollback-bot: restored"
RESTORING = "rollback-bot: restoring"
"""Comments on a database that tell a finished restore from one that broke off."""


class Found(Value):
    """A database."""

    name: str
    oid: int
    owner: str
    encoding: str
    collate: str
    ctype: str
    provider: str
    """``c`` for libc, ``i`` for ICU."""
    comment: str
    open: bool
    sessions: tuple[str, ...]


async def databases(session: Session, world: World) -> dict[str, Found]:
    """All databases by name; ``session`` is at the maintenance database."""
    rows = await session.rows(
        world,
        "SELECT datname AS name, d.oid::bigint AS oid, pg_get_userbyid(datdba) AS owner, "
        "pg_encoding_to_char(encoding) AS encoding, datcollate AS collate, datctype AS ctype, "
        "coalesce(to_jsonb(d)->>'datlocprovider', 'c') AS provider, datallowconn AS open, "
        "coalesce(shobj_description(d.oid, 'pg_database'), '') AS comment, "
        "(SELECT coalesce(json_agg(format('%s%s, process %s', coalesce(usename, '?'), "
        "CASE WHEN application_name <> '' THEN ' (' || application_name || ')' END, pid) "
        "ORDER BY backend_start), '[]') FROM pg_stat_activity WHERE datid = d.oid "
        "AND pid <> pg_backend_pid() AND backend_type = 'client backend') AS sessions "
        "FROM pg_database d",
    )
    return {row["name"]: Found.model_validate(row) for row in rows}


def settings_of(old_oid: int, new: str) -> str:
    """psql input that gives a database the settings, rights and limit of another one.

    An archive of one database does not carry them; ``\\gexec`` runs what each query returns.
    """
    lists = (
        "'search_path', 'temp_tablespaces', 'session_preload_libraries', 'local_preload_libraries'"
    )
    name = literal(identifier(new))
    return f"""
SELECT format('ALTER %s SET %I TO %s',
  CASE WHEN setrole = 0 THEN 'DATABASE ' || {name}
    ELSE format('ROLE %I IN DATABASE ', pg_get_userbyid(setrole)) || {name} END,
  split_part(s, '=', 1),
  -- Lists are kept with their quotes; quoted again they would be one word.
  CASE WHEN split_part(s, '=', 1) IN ({lists}) THEN substr(s, strpos(s, '=') + 1)
    ELSE quote_literal(substr(s, strpos(s, '=') + 1)) END)
FROM pg_db_role_setting, unnest(setconfig) AS s WHERE setdatabase = {old_oid} \\gexec
SELECT format('REVOKE ALL ON DATABASE %s FROM PUBLIC', {name})
FROM pg_database WHERE oid = {old_oid} AND datacl IS NOT NULL \\gexec
SELECT format('GRANT %s ON DATABASE %s TO %s%s', privilege_type, {name},
  CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
  CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_database, aclexplode(datacl) WHERE oid = {old_oid} \\gexec
SELECT format('ALTER DATABASE %s CONNECTION LIMIT %s', {name}, datconnlimit)
FROM pg_database WHERE oid = {old_oid} AND datconnlimit <> -1 \\gexec
"""


# Holding the rows of a restored database against those of the live one.

_COUNT_SECONDS = 600.0


class RowComparison(Value):
    """Rows of every table, by the tables' names."""

    now: dict[str, int]
    then: dict[str, int]
    """In the restored database."""

    @property
    def tables(self) -> str:
        """How many come back."""
        return amount(len(self.then), "table")

    @property
    def sentence(self) -> str:
        """What would be another."""
        changed = [
            f"{table} {rows} → {self.then[table]}"
            for table, rows in sorted(self.now.items())
            if self.then.get(table, rows) != rows
        ]
        missing = sorted(set(self.now) - set(self.then))
        return (
            f"rows now → restored: {listed(changed, 10) or 'the same'}; tables that it does not "
            f"have: {listed(missing) or 'none'}"
        )

    def require(self, minimum_share: float, remedy: str) -> None:
        """Raises PermanentError when a table comes back with a smaller share of its rows."""
        few = [
            f"{table}: {self.then[table]} of {rows}"
            for table, rows in sorted(self.now.items())
            if table in self.then and self.then[table] < rows * minimum_share
        ]
        if few:
            raise PermanentError(
                f"Far fewer rows would come back than there are now: {listed(few)}.",
                f"Nothing was swapped. {remedy}, or lower minimum_share knowingly.",
            )


async def row_counts(session: Session, besides: VersionTable, world: World) -> dict[str, int]:
    """Exact counts of all tables of the application; fewer versions are what is wanted."""
    tables = await session.rows(
        world,
        "SELECT schemaname AS schema, relname AS name FROM pg_stat_user_tables "
        f"WHERE relid <> to_regclass({literal(qualified(besides.table))}) ORDER BY 1, 2",
    )
    if not tables:
        return {}
    counts = "\nUNION ALL ".join(
        f"SELECT {literal(one['schema'] + '.' + one['name'])} AS name, count(*) AS rows "
        f"FROM {identifier(one['schema'])}.{identifier(one['name'])}"
        for one in tables
    )
    rows = await session.rows(world, counts, seconds=_COUNT_SECONDS)
    return {row["name"]: row["rows"] for row in rows}


# The four questions before a database is rolled back, asked of the catalog and the live schema.
#
# Can the old application run on the new schema? Were the changes breaking? Are data corrupted?
# Can
# the rollback of the database be avoided? The best answer is that nothing has to be done.

CHECK_SECONDS = 60.0


class Checked(Value):
    """A check and what the database answered."""

    name: str
    holds: bool
    sentence: str


class Answers(Value):
    """The answers; None where it cannot be told."""

    runs: bool | None
    """Whether the old application can run on the live schema."""
    runs_because: str
    breaking: bool | None
    breaking_because: str
    corrupted: bool | None
    corrupted_because: str
    missing: tuple[str, ...] = ()
    """What the live schema lacks of what the old application needs."""
    failing: tuple[str, ...] = ()
    """Names of the checks that do not hold."""

    @property
    def avoidable(self) -> bool:
        """Whether nothing has to be done: known to run, and nothing known to be corrupted."""
        return self.runs is True and not self.corrupted

    def preflights(self) -> tuple[Preflight, ...]:
        """The answers on the plan card; none of them forbids what a person decides."""
        avoid = (
            "Yes: roll the application back alone, and the database can stay as it is."
            if self.avoidable
            else "No: see the answers above."
        )
        return (
            (passed if self.runs is False else warned)(
                "Can the old application run on the new schema?", self.runs_because
            ),
            (passed if self.breaking else warned)(
                "Were the changes breaking?", self.breaking_because
            ),
            (warned if self.corrupted is not False else passed)(
                "Are data corrupted?", self.corrupted_because
            ),
            (warned if self.avoidable else passed)("Can it be avoided?", avoid),
        )


async def ask(
    session: Session,
    world: World,
    *,
    ups: Sequence[tuple[str, Compatibility]],
    needs: Sequence[str],
    checks: Sequence[SqlCheck],
) -> Answers:
    """Ask all questions; ``ups`` are the migrations that would be taken back."""
    missing = await missing_needs(session, world, needs)
    breaking = [f"{version}: {why}" for version, one in ups for why in one.breaking]
    unknown = [f"{version}: {why}" for version, one in ups for why in one.unknown]
    runs, because = _runs(missing, breaking, unknown, needs)
    sound = await run_checks(session, world, [one for one in checks if one.when == "always"])
    wrong = [one.sentence for one in sound if not one.holds]
    return Answers(
        runs=runs,
        runs_because=because,
        breaking=True if breaking else (None if unknown else False),
        breaking_because=f"Yes: {listed(breaking, 3)}."
        if breaking
        else (f"Unknown: {listed(unknown, 3)}." if unknown else "No: they only added to it."),
        corrupted=bool(wrong) if sound else None,
        corrupted_because=_corrupted(sound, wrong),
        missing=tuple(missing),
        failing=tuple(one.name for one in sound if not one.holds),
    )


async def missing_needs(session: Session, world: World, needs: Sequence[str]) -> list[str]:
    """Which of the named tables and columns the live schema lacks."""
    if not needs:
        return []
    tests = [
        f"SELECT {literal(need)} AS need WHERE NOT ({_exists(need)})"
        for need in dict.fromkeys(needs)
    ]
    found = await session.rows(world, "\nUNION ALL ".join(tests))
    return sorted(row["need"] for row in found)


def _exists(need: str) -> str:
    """``name`` is a table; ``a.b`` is a column b of table a, or a table b in schema a."""
    first, _, second = need.lower().partition(".")
    table = f"to_regclass(quote_ident({literal(first)})) IS NOT NULL"
    if not second:
        return table
    return (
        f"EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass(quote_ident("
        f"{literal(first)})) AND attname = {literal(second)} AND NOT attisdropped) OR "
        f"to_regclass(quote_ident({literal(first)}) || '.' || quote_ident({literal(second)})) "
        "IS NOT NULL"
    )


async def run_checks(
    session: Session, world: World, checks: Sequence[SqlCheck]
) -> tuple[Checked, ...]:
    """The answers of the configured checks; one that cannot be asked does not hold."""
    return tuple([await _run(session, world, check) for check in checks])


async def _run(session: Session, world: World, check: SqlCheck) -> Checked:
    script = parse(check.sql)
    if script.problem or len(script.statements) != 1:
        why = script.problem or "it is not one statement"
        return Checked(
            name=check.name, holds=False, sentence=f"{check.name} cannot be asked: {why}"
        )
    query = check.sql.strip().removesuffix(";")
    try:
        answer = await session.text(world, query, seconds=CHECK_SECONDS)
    except PermanentError as error:
        return Checked(
            name=check.name, holds=False, sentence=f"{check.name} cannot be asked: {error.what}"
        )
    holds = answer == check.expect
    said = f"“{answer[:100]}”" if holds else f"“{answer[:100]}” instead of “{check.expect}”"
    return Checked(name=check.name, holds=holds, sentence=f"{check.name}: {said}")


def _runs(
    missing: list[str], breaking: list[str], unknown: list[str], needs: Sequence[str]
) -> tuple[bool | None, str]:
    if missing:
        return False, f"No: the live schema lacks {listed(missing)}, which it needs."
    if breaking:
        return False, f"No: {listed(breaking, 3)}."
    if unknown:
        return None, f"Unknown: {listed(unknown, 3)}."
    there = f" and {listed(list(needs))} are all there" if needs else ""
    return True, f"Yes: the migrations since then only added to the schema{there}."


def _corrupted(sound: Sequence[Checked], wrong: Sequence[str]) -> str:
    if not sound:
        return "Unknown: the catalog names no check of the data."
    if wrong:
        return f"Yes: {listed(wrong, 3)}."
    return f"No: {len(sound)} checks hold."


def require_all(checked: Sequence[Checked], what: str) -> str:
    """A sentence when every check holds. Raises PermanentError naming those that do not."""
    wrong = [one.sentence for one in checked if not one.holds]
    if wrong:
        raise PermanentError(
            f"{what}: {'; '.join(wrong)}.",
            "Look at the data before anything else writes; undo is possible.",
        )
    return f"{len(checked)} checks hold" if checked else "the catalog names no checks"


# How much a down script would destroy, counted on the live database.

COUNT_SECONDS = 15.0
"""A table that takes longer to count is estimated from the planner's statistics."""


class Counted(Value):
    """A loss with its size on the live database."""

    loss: Loss
    amount: int | None
    """Rows, or values that are not null; None when that could not be counted."""
    sentence: str


async def counted(session: Session, world: World, found: Sequence[Loss]) -> tuple[Counted, ...]:
    """Each loss once, with its size now."""
    return tuple([await _count(session, world, loss) for loss in dict.fromkeys(found)])


async def _count(session: Session, world: World, loss: Loss) -> Counted:
    if loss.kind == "unknown":
        return Counted(loss=loss, amount=None, sentence=f"unknown: {loss.how}")
    what = f"{loss.table}.{loss.column}" if loss.column else loss.table
    try:
        amount, about = await _amount(session, world, loss)
    except PermanentError as error:
        return Counted(
            loss=loss, amount=None, sentence=f"unknown: {what} ({loss.how}): {error.what}"
        )
    unit = "values" if loss.column else "rows"
    upto = "up to " if loss.kind == "rows" and "condition" in loss.how else ""
    sentence = f"{about}{upto}{amount} {unit} of {what} ({loss.how})"
    return Counted(loss=loss, amount=amount, sentence=sentence)


async def _amount(session: Session, world: World, loss: Loss) -> tuple[int, str]:
    # The column's name is qualified: else a missing one could mean something outside.
    what = f"counted_.{identifier(loss.column)}" if loss.column else "*"
    query = f"SELECT count({what}) FROM {loss.sql} AS counted_"
    try:
        return int(await session.text(world, query, seconds=COUNT_SECONDS)), ""
    except SqlError as error:
        if error.state != QUERY_CANCELED:
            raise
    estimate = int(
        await session.text(
            world,
            "SELECT coalesce(max(reltuples), -1)::bigint FROM pg_class "
            f"WHERE oid = to_regclass({literal(loss.sql)})",
        )
    )
    if estimate < 0:
        raise PermanentError("it takes too long to count, and the planner has no estimate.")
    return estimate, "about (by the planner's estimate) "
