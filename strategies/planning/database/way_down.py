"""What is known of a way down: where it may end, and what it would take along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.config.catalog import ServiceEntry
from bot.domain.plan import Candidate
from bot.domain.values import amount
from bot.ports.world import World
from strategies.postgres.counting import Counted, counted
from strategies.postgres.history import History, Link, Source
from strategies.postgres.locks import lock_key
from strategies.postgres.losses import losses
from strategies.postgres.migrations import plain
from strategies.postgres.questions import Answers, ask
from strategies.preflights.writers import RecordedWriter, record_writers
from strategies.targets import Option


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
