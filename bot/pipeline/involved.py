"""Proof for the other services of a plan: their replicas, and what is counted about them."""

from __future__ import annotations

from bot.domain.gaps import judged
from bot.domain.incident import Incident
from bot.domain.plan import PlanPart
from bot.domain.proof import doubts, weigh
from bot.domain.recovery import Judgement, RecoveryVerdict, complete_buckets, judge
from bot.errors import RollbackBotError
from bot.pipeline.context import Context
from bot.pipeline.measuring import counted
from bot.pipeline.replicas import instances_of

_WORSE = (RecoveryVerdict.RECOVERED, RecoveryVerdict.INCONCLUSIVE, RecoveryVerdict.NOT_RECOVERED)
"""The whole is as well as the service that is worst."""


async def weighed(context: Context, incident: Incident, judgement: Judgement) -> Judgement:
    """The judgement once every other service of the plan was heard too: all must recover.

    The figures stay those of the incident's own service; what the others say is in the reasons.
    """
    plan = incident.plan
    if plan is None:
        return judgement
    worst, reasons = judgement.verdict, []
    for service in plan.services[1:]:
        part = next((one for one in plan.moved if one.service == service), None)
        found = await _doubts(context, part) if part else []
        asked = part is not None and part.moves_users
        heard = await _judged(context, incident, service, asked=asked)
        whole = weigh(heard, found)
        worst = max(worst, whole.verdict, key=_WORSE.index)
        reasons += [f"{service}: {reason}" for reason in whole.reasons]
    return judgement.model_copy(
        update={"verdict": worst, "reasons": (*judgement.reasons, *reasons)}
    )


async def _doubts(context: Context, part: PlanPart) -> list[str]:
    """Why its replicas do not prove that its own target serves everywhere."""
    if not part.moves_users:
        return []
    try:
        entry = context.service(part.service)
        checked = await instances_of(context, entry, context.strategy(part.strategy))
    except RollbackBotError as error:
        return [f"its replicas were not checked: {error.what}"]
    known = entry.version_path is not None
    return doubts(checked, part.expected_version, versions_known=known)


async def _judged(context: Context, incident: Incident, service: str, *, asked: bool) -> Judgement:
    """Its counts since the drain, against its own baseline and by its own policy.

    ``asked`` says whether its replicas have their say: of a service that is not measured, and
    whose replicas show nothing of what was rolled back, nothing is known.
    """
    policy = context.catalog.verification_of(service).judge
    entry = context.catalog.services.get(service)
    if entry is None or incident.verification is None:
        gone = judge(None, (), policy)
        return gone.model_copy(update={"reasons": ("it is not in the catalog any more",)})
    if entry.metrics is None:
        if not asked:
            unknown = judge(None, (), policy)
            why = "it is not measured, and its replicas show nothing of what was rolled back"
            return unknown.model_copy(update={"reasons": (why,)})
        # Its replicas alone speak for it; the incident's own service is measured all the same.
        return Judgement(
            verdict=RecoveryVerdict.RECOVERED,
            reasons=("it is not measured, so its replicas alone were asked",),
            requests=0,
            errors=0,
        )
    baseline = incident.baselines.get(service)
    now = context.clock.now()
    outcome = await counted(context, service, incident.verification.since, now)
    if isinstance(outcome, str):
        found = judge(baseline, (), policy)
        return found.model_copy(update={"reasons": (outcome, *found.reasons)})
    buckets = complete_buckets(outcome.buckets, now)
    return judge(baseline, judged(buckets, outcome.unread), policy)
