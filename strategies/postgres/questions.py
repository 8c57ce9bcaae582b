"""The four questions before a database is rolled back, asked of the catalog and the live schema.

Can the old application run on the new schema? Were the changes breaking? Are data corrupted? Can
the rollback of the database be avoided? The best answer is that nothing has to be done.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.config.targets.postgres import SqlCheck
from bot.domain.plan import Preflight
from bot.domain.values import Value
from bot.errors import PermanentError
from bot.ports.world import World
from strategies.postgres.client import Session, listed, literal
from strategies.postgres.compatibility import Compatibility
from strategies.postgres.sql import parse
from strategies.preflights.verdicts import passed, warned

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
