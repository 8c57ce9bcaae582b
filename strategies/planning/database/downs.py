"""Rolling a schema back by down migrations, wherever these come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.config.catalog import ServiceEntry
from bot.domain.plan import Candidate, Plan, Preflight
from bot.errors import RefusedError
from bot.ports.world import World
from strategies.planning.database.checks import (
    check_history,
    check_lock,
    check_loss,
    check_scripts,
    check_server,
)
from strategies.planning.database.steps import DownSteps
from strategies.postgres.compatibility import Compatibility, compatibility
from strategies.postgres.history import History, Link, Source, moves
from strategies.postgres.locks import connected, lock_key
from strategies.postgres.losses import Counted, counted, losses
from strategies.postgres.migrations import plain
from strategies.postgres.questions import Answers, ask
from strategies.preflights.writers import RecordedWriter, check_writers, record_writers
from strategies.targets import Option, choose, rated


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
    downs = await _known(source, history, place, world)
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


async def _known(source: Source, history: History, place: int, world: World) -> Downs:
    target, session = source.target, source.session
    reverted = await source.read(world, history.links[:place])
    answers = await ask(
        session,
        world,
        ups=[(one.version, _judged(one)) for one in reverted],
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


def _judged(link: Link) -> Compatibility:
    if link.up is None:
        return Compatibility(unknown=("it has no up script to judge by",))
    return compatibility(link.up.text)


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


async def observe_downs(source: Source, world: World) -> tuple[History, list[Option]]:
    """What is applied and where one could go."""
    history = await source.history(world)
    return history, downs_options(source, history)


def service_line(entry: ServiceEntry, history: History) -> str:
    """What is live, in a sentence."""
    about = f" of {entry.description}" if entry.description else ""
    return (
        f"The database{about} is at {history.links[0].release} "
        f"({len(history.applied.rows)} rows in its version table)."
    )
