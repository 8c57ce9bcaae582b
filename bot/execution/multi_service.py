"""Plans over several services: what each brings along, and nobody else at the same time.

An incident claims its own service by the store. Other services of its plan are claimed by the
plan itself, as the events have it: whoever wants one of them looks for plans that are about it,
and an execution looks again after it has said that it begins. Of two that begin at once at least
one therefore sees the other, before either has changed anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.assessment.declare import clash_text
from bot.assessment.declare import rivals as rivals_
from bot.assessment.figures import Normal, normal
from bot.core.errors import RefusedError, RollbackBotError
from bot.engine import releases
from bot.engine.context import Context
from bot.engine.releases import Marks
from bot.engine.world import OverServices, Peer, Strategy
from bot.incident import events as e
from bot.incident.plan import Plan, Preflight, PreflightVerdict
from bot.incident.state import Incident
from bot.judge.counts import Baseline
from bot.store.values import Lease

CLAIM = "Other incidents"


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """A strategy that knows the other services of its plan, and what is normal for them."""

    strategy: Strategy
    baselines: dict[str, Baseline]


async def gathered(
    context: Context, name: str, strategy: Strategy, *, parts: Sequence[str]
) -> Gathered:
    """Bring along what planning over several services takes; any other strategy stays as it is.

    Raises RefusedError when parts are asked for and the strategy has none.
    """
    if not isinstance(strategy, OverServices):
        if parts:
            raise RefusedError(
                f"The strategy {strategy.name} has no parts to choose from.",
                "Only a composed rollback has; choose it, or leave the parts out.",
            )
        return Gathered(strategy=strategy, baselines={})
    own = context.service(name)
    peers = {name: Peer(entry=own, needs=context.catalog.needs_of(name))}
    baselines = {}
    for other in strategy.others(own):
        marks = await releases.marks(context, other)
        released_at = await _released_at(context, name, other)
        usual = await normal(context, other, released_at=released_at)
        peers[other] = Peer(
            entry=context.service(other),
            marked_bad=marks.bad,
            known_good=known_good(context, other, marks, usual),
            needs=context.catalog.needs_of(other),
        )
        if usual.baseline is not None:
            baselines[other] = usual.baseline
    return Gathered(strategy=strategy.among(peers, only=parts), baselines=baselines)


def parts_of(context: Context, incident: Incident) -> tuple[str, ...]:
    """What there is to choose from where the incident's rollback is composed; else nothing."""
    entry = context.service(incident.declared.service)
    if not isinstance(context.strategy_of(incident), OverServices):
        return ()
    return tuple(str(part) for target in entry.rollback for part in target.composed_of)


async def _released_at(context: Context, name: str, other: str) -> datetime | None:
    """When the other service's live release began to serve; None when that cannot be told."""
    strategies = [
        context.strategy(part.strategy)
        for target in context.service(name).rollback
        for part in target.composed_of
        if part.service == other
    ]
    strategy = min(strategies, key=lambda one: not one.moves_users)
    try:
        observed = await strategy.observe(context.service(other), context.world)
    except RollbackBotError:
        return None  # Planning meets the same error and says so.
    return observed.released_at


def known_good(context: Context, name: str, marks: Marks, usual: Normal) -> tuple[str, ...]:
    """Releases that served well: just before the bad one as measured, then those of the past."""
    rate = usual.baseline.error_rate if usual.baseline else None
    well = rate is not None and rate < context.service(name).thresholds.discuss_error_rate
    measured = usual.served if well else ()
    return tuple(dict.fromkeys((*measured, *marks.good)))


async def guarded(context: Context, plan: Plan) -> Plan:
    """The plan with what other services add: their incidents block it, their quorum holds too."""
    rivals = await rivals_(context, plan.services, own=plan.service)
    blocks = tuple(
        Preflight(
            name=CLAIM,
            verdict=PreflightVerdict.BLOCK,
            sentence=f"{clash_text(rival, plan.services)} "
            "Resolve it first, or plan without that part.",
        )
        for rival in rivals
    )
    quorum = max(context.catalog.approval_of(service).quorum for service in plan.services)
    approvers = max(plan.approvers, quorum) if len(plan.services) > 1 else plan.approvers
    return plan.model_copy(
        update={"preflights": (*blocks, *plan.preflights), "approvers": approvers}
    )


async def holds(context: Context, incident: Incident, lease: Lease) -> bool:
    """Whether the execution that has just begun is alone with its services.

    If not, it ends here as a conflict, before anything is changed.
    """
    if incident.plan is None or any(record.started_at for record in incident.steps):
        return True
    rivals = await rivals_(context, incident.plan.services, own=incident.declared.service)
    if not rivals:
        return True
    ended = e.ExecutionFinished(
        outcome=e.ExecutionOutcome.CONFLICT,
        what=f"{clash_text(rivals[0], incident.plan.services)} Nothing was changed.",
        remedy="Resolve the other incident, then press “Plan again”; or plan without that part.",
    )
    await context.journal.add(incident.id, ended, lease=lease)
    return False
