"""Recovery is not proven: look at the known causes one by one, each on its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from bot.domain import causes
from bot.domain import events as e
from bot.domain.causes import Health
from bot.domain.counts import Bucket, Judgement, error_limit
from bot.domain.incident import Incident
from bot.domain.plan import Milestone
from bot.errors import RefusedError, RollbackBotError
from bot.pipeline.context import Context
from bot.pipeline.measuring import counted
from bot.pipeline.neighbours import dependency, rate
from bot.pipeline.patience import within
from bot.pipeline.replicas import check_instances
from bot.ports.store import Lease
from bot.ports.world import KnowsSchema, Observation

log = structlog.get_logger()

PATIENCE = timedelta(seconds=30)
"""So long each check may take; one that takes longer is unknown, and holds up no other."""
LIVE = "The live system"
AT_ONCE = 8
"""So many other services are looked at at the same time."""

Check = Callable[[Context, Incident], Awaitable[e.CauseCheck]]


async def find(context: Context, incident: Incident, lease: Lease) -> None:
    """Duty FIND_CAUSES: all checks at once, in the procedure's order of telling."""
    checks = await asyncio.gather(
        *(_limited(context, incident, cause, check) for cause, check in CHECKS.items())
    )
    await context.journal.add(incident.id, e.CausesChecked(checks=tuple(checks)), lease=lease)


async def _limited(
    context: Context, incident: Incident, cause: e.Cause, check: Check
) -> e.CauseCheck:
    """One check; whatever happens to it, it says something."""
    try:
        outcome = await within(PATIENCE, check(context, incident), "This check")
    except Exception as error:
        # A defect in one check must not keep the others from people who wait for them.
        log.exception("cause not checked", incident=incident.id, cause=cause.value)
        return causes.unknown(cause, f"The check itself failed ({type(error).__name__}).")
    if isinstance(outcome, RollbackBotError):
        return causes.unknown(cause, f"It could not be checked: {outcome.what}")
    return outcome


async def _deployed(context: Context, incident: Incident) -> e.CauseCheck:
    plan = incident.plan
    if plan is None:
        raise RefusedError("There is no plan to compare with.")
    entry = context.service(incident.declared.service)
    strategy = context.strategy_of(incident)
    checked, observed = await asyncio.gather(
        check_instances(context, incident),
        within(context.catalog.assessment.patience, strategy.observe(entry, context.world), LIVE),
    )
    live = observed.live_release if isinstance(observed, Observation) else None
    if isinstance(observed, RollbackBotError):
        # What replicas say counts all the same.
        problem = f"What is live could not be observed: {observed.what}"
        checked = checked.model_copy(update={"problems": (*checked.problems, problem)})
    return causes.deployed(
        checked,
        target=plan.expected_version,
        live=live,
        wanted=plan.to_release,
        versions_known=entry.version_path is not None,
    )


async def _schema(context: Context, incident: Incident) -> e.CauseCheck:
    entry = context.service(incident.declared.service)
    ways = [context.strategy(target.strategy) for target in entry.rollback]
    strategy = next((one for one in ways if isinstance(one, KnowsSchema)), None)
    if strategy is None:
        return causes.unknown(e.Cause.SCHEMA, "The catalog names no database of this service.")
    release = incident.plan.to_release if incident.plan else ""
    fit = await strategy.schema_fits(entry, context.world, release=release)
    finding = {
        True: e.CauseFinding.UNLIKELY,
        False: e.CauseFinding.LIKELY,
        None: e.CauseFinding.UNKNOWN,
    }[fit.fits]
    return e.CauseCheck(cause=e.Cause.SCHEMA, finding=finding, evidence=fit.evidence)


async def _dependencies(context: Context, incident: Incident) -> e.CauseCheck:
    name = incident.declared.service
    needed = context.service(name).dependencies
    found = await asyncio.gather(*(dependency(context, one) for one in needed))
    nothing = f"The catalog names no dependencies of {name} (services.{name}.dependencies)."
    return causes.from_health(e.Cause.DEPENDENCY, found, nothing=nothing)


async def _others(context: Context, incident: Incident) -> e.CauseCheck:
    """Every other service of the catalog that is measured, against its own limits."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def look(name: str) -> Health:
        async with gate:
            return await rate(context, name)

    others = [
        name
        for name, entry in context.catalog.services.items()
        if entry.metrics is not None and name != incident.declared.service
    ]
    found = await asyncio.gather(*(look(name) for name in others))
    nothing = "No other service of the catalog is measured."
    return causes.from_health(e.Cause.OTHER_SERVICE, found, nothing=nothing)


async def _not_the_release(context: Context, incident: Incident) -> e.CauseCheck:
    service = incident.declared.service
    judgement = _latest(incident)
    baseline = incident.verification.baseline if incident.verification else None
    limit = judgement.limit
    buckets: tuple[Bucket, ...] = ()
    if baseline is not None and baseline.error_rate is not None:
        policy = context.catalog.verification_of(service).judge
        limit = error_limit(baseline.error_rate, policy)
        switched = incident.milestones.get(Milestone.SWITCHED, incident.execution_started_at)
        end = switched or context.clock.now()
        if end - baseline.start < timedelta(days=2):
            # An assumed baseline reaches back for years and was never measured.
            outcome = await counted(context, service, baseline.start, end)
            if isinstance(outcome, str):
                return causes.unknown(e.Cause.NOT_THE_RELEASE, outcome)
            buckets = outcome.buckets
    return causes.not_the_release(
        buckets,
        baseline=baseline,
        limit=limit,
        before=incident.declared.assessment.figures.error_rate,
        now=judgement,
    )


def _latest(incident: Incident) -> Judgement:
    """What was judged last about the incident's own service: a relapse comes after the verdict."""
    newest = incident.relapses[-1] if incident.relapses else None
    if newest and (incident.judged_at is None or newest.at >= incident.judged_at):
        services = newest.event.services
        if not services or incident.declared.service in services:
            return newest.event.judgement
    if incident.judged is None:
        raise RefusedError(f"{incident.id} has not been judged.")
    return incident.judged.judgement


CHECKS: dict[e.Cause, Check] = {
    e.Cause.NOT_DEPLOYED: _deployed,
    e.Cause.SCHEMA: _schema,
    e.Cause.DEPENDENCY: _dependencies,
    e.Cause.OTHER_SERVICE: _others,
    e.Cause.NOT_THE_RELEASE: _not_the_release,
}
