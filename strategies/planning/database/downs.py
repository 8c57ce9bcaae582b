"""Rolling a schema back by down migrations, wherever these come from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

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
from strategies.planning.database.way_down import Downs, as_schemas, downs_options, known, needs_of
from strategies.postgres.history import Source, moves
from strategies.postgres.locks import connected
from strategies.preflights.writers import check_writers
from strategies.targets import choose, rated


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
