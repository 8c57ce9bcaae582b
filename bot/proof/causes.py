"""Recovery is not proven: look at the known causes one by one, each on its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from urllib.parse import urlsplit

import structlog

from bot.catalog.service import is_address
from bot.core.backoff import within
from bot.core.errors import RefusedError, RollbackBotError
from bot.engine.context import Context
from bot.engine.measuring import counted
from bot.engine.world import KnowsSchema, Observation
from bot.incident import events as e
from bot.incident.plan import Milestone
from bot.incident.state import Incident
from bot.judge.bounds import exact_bounds
from bot.judge.counts import Bucket, Judgement, error_limit
from bot.proof import model
from bot.proof.model import Health
from bot.proof.replicas import check_instances, check_service
from bot.store.values import Lease

# How other services and addresses are doing just now: what an incident may have its cause in.


async def dependency(context: Context, name: str) -> Health:
    """Something that a service needs: another service of the catalog, or an address."""
    if is_address(name):
        return await _address(context, name)
    health, _, problems = await check_service(context, context.service(name))
    measured = await rate(context, name)
    if health is False:
        why = problems[0] if problems else f"The health check of {name} fails."
        return Health(name=name, well=False, sentence=why, service=name)
    if measured.well is not None or measured.service:
        # What its users meet counts for more than a health check, also where it leaves doubts.
        return measured
    if health is None:
        return Health(name=name, well=None, sentence=f"{name} has neither health check nor counts.")
    return Health(name=name, well=True, sentence=f"{name} passes its health check.", service=name)


async def _address(context: Context, url: str) -> Health:
    parts = urlsplit(url)
    # The rest of an address may hold what nobody should read.
    shown = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
    try:
        answer = await context.world.http.get(url)
    except RollbackBotError:
        return Health(name=shown, well=False, sentence=f"{shown} does not answer.")
    well = 200 <= answer.status < 300
    return Health(name=shown, well=well, sentence=f"{shown} answers {answer.status}.")


async def rate(context: Context, name: str) -> Health:
    """A service's error rate just now; failing takes proof, as everywhere."""
    entry = context.service(name)
    if entry.metrics is None:
        return Health(name=name, well=None, sentence=f"{name} is not measured.")
    end = context.clock.now() - entry.metrics.late_by
    outcome = await counted(context, name, end - context.catalog.assessment.live_window, end)
    if isinstance(outcome, str):
        return Health(name=name, well=None, sentence=f"{name} could not be measured: {outcome}")
    if outcome.error_rate is None:
        return Health(name=name, well=None, sentence=f"{name} had no request just now.")
    limit = entry.thresholds.discuss_error_rate
    lower, _ = exact_bounds(outcome.errors, outcome.requests)
    told = f"{name} fails {outcome.error_rate:.2%} of {outcome.requests} requests (its limit: "
    if lower <= limit < outcome.error_rate:
        # Above the limit, and by too few requests to be sure: neither sick nor well.
        too_few = f"{told}{limit:.2%}), which are too few to be sure."
        return Health(name=name, well=None, sentence=too_few, service=name)
    return Health(name=name, well=lower <= limit, sentence=f"{told}{limit:.2%}).", service=name)


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
        return model.unknown(cause, f"The check itself failed ({type(error).__name__}).")
    if isinstance(outcome, RollbackBotError):
        return model.unknown(cause, f"It could not be checked: {outcome.what}")
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
    return model.deployed(
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
        return model.unknown(e.Cause.SCHEMA, "The catalog names no database of this service.")
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
    return model.from_health(e.Cause.DEPENDENCY, found, nothing=nothing)


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
    return model.from_health(e.Cause.OTHER_SERVICE, found, nothing=nothing)


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
                return model.unknown(e.Cause.NOT_THE_RELEASE, outcome)
            buckets = outcome.buckets
    return model.not_the_release(
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
