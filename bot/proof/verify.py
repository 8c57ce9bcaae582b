"""Verify: is the service recovered, and can that be proven?"""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.communication.frame import stakeholder_channels
from bot.core.errors import RefusedError, RollbackBotError
from bot.core.values import Value
from bot.engine import releases
from bot.engine.context import Context
from bot.engine.measuring import counted
from bot.incident import events as e
from bot.incident.duties import replica_problems, smoke_problems, weigh
from bot.incident.plan import PlanPart
from bot.incident.state import Incident
from bot.judge.counts import (
    Bucket,
    Judgement,
    RecoveryVerdict,
    complete_buckets,
    judged,
    missing_seconds,
    unread,
)
from bot.judge.counts import judged as judged_buckets
from bot.judge.judge import judge
from bot.proof import probes, relapse, smoke_tests, tripwire
from bot.proof.replicas import check_instances, instances_of
from bot.store.values import Document, Lease

# Proof for the other services of a plan: their replicas, and what is counted about them.

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
        found = await _problems_of_part(context, part) if part else []
        asked = part is not None and part.moves_users
        heard = await _judged(context, incident, service, asked=asked)
        whole = weigh(heard, found)
        worst = max(worst, whole.verdict, key=_WORSE.index)
        reasons += [f"{service}: {reason}" for reason in whole.reasons]
    return judgement.model_copy(
        update={"verdict": worst, "reasons": (*judgement.reasons, *reasons)}
    )


async def _problems_of_part(context: Context, part: PlanPart) -> list[str]:
    """Why its replicas do not prove that its own target serves everywhere."""
    if not part.moves_users:
        return []
    try:
        entry = context.service(part.service)
        checked = await instances_of(context, entry, context.strategy(part.strategy))
    except RollbackBotError as error:
        return [f"its replicas were not checked: {error.what}"]
    known = entry.version_path is not None
    return replica_problems(checked, part.expected_version, versions_known=known)


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


async def verify(context: Context, incident: Incident, lease: Lease) -> None:
    """Duty VERIFY: ask every replica, try users' tasks, measure row by row, then judge."""
    incident = await _begin(context, incident, lease)
    if incident.instances is None:
        checked = await check_instances(context, incident)
        incident = await context.journal.add(incident.id, checked, lease=lease)
    if incident.smoke is None:
        incident = await _try_tasks(context, incident, lease)
    async with probes.sending(context, incident, lease):
        checkpoints = context.catalog.verification_of(incident.declared.service).checkpoints
        for checkpoint in checkpoints[len(incident.samples) :]:
            sampled = await _sample(context, incident, checkpoint)
            incident = await context.journal.add(incident.id, sampled, lease=lease)
        incident, measured = await _measure_enough(context, incident, lease)
    await _judge(context, incident, measured, lease)


async def _begin(context: Context, incident: Incident, lease: Lease) -> Incident:
    if incident.verification is not None:
        return incident
    started = e.VerificationStarted(
        since=incident.evidence_from or context.clock.now(),
        baseline=incident.baseline,
        baseline_note=incident.baseline_note,
    )
    incident = await context.journal.add(incident.id, started, lease=lease)
    # Evidence begins with a reading: without one now it would begin with the next round.
    await counted(context, incident.declared.service, _since(incident), context.clock.now())
    return incident


async def _try_tasks(context: Context, incident: Incident, lease: Lease) -> Incident:
    """Run the smoke tests, where there are any."""
    entry = context.service(incident.declared.service)
    if not entry.smoke_tests:
        return incident
    results = await smoke_tests.run_all(context, entry)
    return await context.journal.add(incident.id, e.SmokeTested(results=results), lease=lease)


async def _sample(context: Context, incident: Incident, checkpoint: timedelta) -> e.SampleTaken:
    """One row: what was counted between the checkpoint before and this one."""
    since = _since(incident)
    end = since + checkpoint
    await context.clock.sleep((end - context.clock.now()).total_seconds())
    done = incident.samples[-1].offset_seconds if incident.samples else 0.0
    start = since + timedelta(seconds=done)
    outcome = await counted(context, incident.declared.service, start, end)
    sent = [p for p in await probes.tallied(context, incident) if start <= p.start < end]
    synthetic = {
        "offset_seconds": checkpoint.total_seconds(),
        "probes": sum(batch.answered for batch in sent),
        "failed_probes": sum(batch.failed for batch in sent),
    }
    if isinstance(outcome, str):
        return e.SampleTaken(requests=0, errors=0, problem=outcome, **synthetic)
    return e.SampleTaken(
        requests=outcome.requests,
        errors=outcome.errors,
        latency_ms=outcome.latency_ms,
        problem="" if outcome.requests else "No request was counted.",
        **synthetic,
    )


class _Measured(Value):
    """Everything that was counted so far, and what the judge says to it."""

    judgement: Judgement
    buckets: tuple[Bucket, ...]
    gaps: tuple[Bucket, ...] = ()


async def _measure(context: Context, incident: Incident, now: datetime) -> _Measured:
    """The judge's word on the counts alone."""
    service = incident.declared.service
    policy = context.catalog.verification_of(service).judge
    baseline = incident.verification.baseline if incident.verification else None
    sent = await probes.tallied(context, incident)
    outcome = await counted(context, service, _since(incident), now)
    if isinstance(outcome, str):
        judgement = judge(baseline, (), policy)
        reasons = (outcome, *judgement.reasons)
        return _Measured(judgement=judgement.model_copy(update={"reasons": reasons}), buckets=())
    buckets = complete_buckets(outcome.buckets, now)
    return _Measured(
        judgement=judge(baseline, judged_buckets(buckets, outcome.unread), policy, probes=sent),
        buckets=buckets,
        gaps=unread(buckets, outcome.unread, baseline),
    )


async def _measure_enough(
    context: Context, incident: Incident, lease: Lease
) -> tuple[Incident, _Measured]:
    """Where nothing was read for a while, measure on for as long, once, before judging.

    Only while the verdict is open: a failure that is proven is told at once.
    """
    if incident.extended is None:
        now = context.clock.now()
        measured = await _measure(context, incident, now)
        length = context.catalog.verification_of(incident.declared.service).checkpoints[-1]
        missing = missing_seconds(measured.buckets, measured.gaps, length.total_seconds())
        if not missing or measured.judgement.verdict is not RecoveryVerdict.INCONCLUSIVE:
            return incident, measured
        extended = e.VerificationExtended(
            until=now + timedelta(seconds=missing),
            unread_seconds=sum(gap.seconds for gap in measured.gaps),
        )
        incident = await context.journal.add(incident.id, extended, lease=lease)
    if incident.extended is not None:
        await context.clock.sleep((incident.extended.until - context.clock.now()).total_seconds())
    return incident, await _measure(context, incident, context.clock.now())


async def _judge(context: Context, incident: Incident, measured: _Measured, lease: Lease) -> None:
    """Replicas and users' tasks have their say beside the counts."""
    if _problems(context, incident):
        # What was late or failed at the beginning may be well by now.
        checked = await check_instances(context, incident)
        incident = await context.journal.add(incident.id, checked, lease=lease)
        if smoke_problems(incident.smoke):
            incident = await _try_tasks(context, incident, lease)
    judgement = weigh(measured.judgement, _problems(context, incident))
    judgement = await weighed(context, incident, judgement)
    recovered = judgement.verdict is RecoveryVerdict.RECOVERED
    watch = relapse.watch_of(context, incident) if recovered else None
    judged = e.Judged(
        judgement=judgement,
        buckets=measured.buckets,
        probes=await probes.tallied(context, incident),
        watched_until=watch.until if watch else None,
    )
    # In one transaction: a verdict that is not written must leave nothing that follows from it.
    follows = _what_follows(context, incident, watch) if recovered else ()
    await context.journal.add(incident.id, judged, lease=lease, documents=follows)


def _what_follows(
    context: Context, incident: Incident, watch: relapse.Watch | None
) -> tuple[Document, ...]:
    """Of a proven recovery: good marks, the wires for what was withdrawn, and the watch."""
    plan = incident.plan
    if plan is None:
        return ()
    now = context.clock.now()
    good = [
        releases.marked(part.service, part.to_release, "good", incident_id=incident.id, at=now)
        for part in plan.moved
    ]
    channels = stakeholder_channels(context.catalog, incident.declared.service)
    wires = () if plan.undoes else tripwire.wires_of(context, incident, channels)
    return (*good, *wires, *([relapse.document_of(watch)] if watch else []))


def _problems(context: Context, incident: Incident) -> list[str]:
    entry = context.service(incident.declared.service)
    target = incident.plan.expected_version if incident.plan else ""
    found = replica_problems(
        incident.instances, target, versions_known=entry.version_path is not None
    )
    return [*found, *smoke_problems(incident.smoke)]


def _since(incident: Incident) -> datetime:
    if incident.verification is None:
        raise RefusedError(f"{incident.id} is not being verified.", "Press “Verify again”.")
    return incident.verification.since
