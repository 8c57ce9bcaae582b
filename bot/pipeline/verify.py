"""Verify: is the service recovered, and can that be proven?"""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta

from bot.config.catalog import ServiceEntry
from bot.domain import events as e
from bot.domain.incident import Incident
from bot.domain.proof import doubts, weigh
from bot.domain.recovery import RecoveryVerdict, complete_buckets, judge
from bot.errors import RefusedError, RollbackBotError
from bot.pipeline import releases, tripwire
from bot.pipeline.context import Context
from bot.pipeline.words import stakeholder_channels
from bot.ports.store import Lease
from bot.ports.world import Instance, Series


async def verify(context: Context, incident: Incident, lease: Lease) -> None:
    """Duty VERIFY: check every replica, fill the table row by row, then let the judge decide."""
    if incident.verification is None:
        started = e.VerificationStarted(
            since=incident.evidence_from or context.clock.now(),
            baseline=incident.baseline,
            baseline_note=incident.baseline_note,
        )
        incident = await context.journal.add(incident.id, started, lease=lease)
        # Evidence begins with a reading: without one now it would begin with the next round.
        await _count(context, incident, _since(incident), context.clock.now())
    if incident.instances is None:
        checked = await _check_instances(context, incident)
        incident = await context.journal.add(incident.id, checked, lease=lease)
    checkpoints = context.catalog.verification_of(incident.declared.service).checkpoints
    for checkpoint in checkpoints[len(incident.samples) :]:
        sampled = await _sample(context, incident, checkpoint)
        incident = await context.journal.add(incident.id, sampled, lease=lease)
    await _judge(context, incident, lease)


async def _check_instances(context: Context, incident: Incident) -> e.InstancesChecked:
    entry = context.service(incident.declared.service)
    strategy = context.strategy_of(incident)
    problems = []
    instances: tuple[Instance, ...] = ()
    try:
        instances = await strategy.instances(entry, context.world)
    except RollbackBotError as error:
        problems.append(f"The replicas could not be listed: {error.what}")
    checked = await asyncio.gather(*(_check_instance(context, entry, item) for item in instances))
    health, version, gaps = await _check_service(context, entry)
    return e.InstancesChecked(
        instances=tuple(checked), health_ok=health, version=version, problems=(*problems, *gaps)
    )


async def _check_instance(
    context: Context, entry: ServiceEntry, instance: Instance
) -> e.InstanceCheck:
    port = entry.instance_port or (entry.pod_metrics.port if entry.pod_metrics else None)
    version, problem = None, instance.problem
    if port is not None and instance.ready and instance.askable and entry.version_path is not None:
        try:
            answer = await context.world.cluster.ask_pod(
                instance.namespace, instance.name, port, entry.version_path
            )
            version = version_in(answer.text) if answer.status == 200 else None
            problem = problem or ("" if version else f"its version path says {answer.status}")
        except RollbackBotError as error:
            problem = error.what
    return e.InstanceCheck(
        name=instance.name,
        ready=instance.ready,
        version=version,
        askable=instance.askable,
        problem=problem,
    )


async def _check_service(
    context: Context, entry: ServiceEntry
) -> tuple[bool | None, str | None, list[str]]:
    """Health, version, and what could not be told, as a user of the service would see it."""
    if entry.url is None:
        return None, None, []
    base, problems = str(entry.url).rstrip("/"), []
    health: bool | None = None
    version = None
    try:
        if entry.health_path is not None:
            health = (await context.world.http.get(base + entry.health_path)).status == 200
        if entry.version_path is not None:
            answer = await context.world.http.get(base + entry.version_path)
            version = version_in(answer.text) if answer.status == 200 else None
    except RollbackBotError as error:
        health = False
        problems.append(error.what)
    return health, version, problems


def version_in(text: str) -> str | None:
    """The version that a version endpoint reports: a JSON ``version`` member, or plain text."""
    try:
        parsed = json.loads(text)
    except ValueError:
        return text.strip()[:100] or None
    if isinstance(parsed, dict):
        parsed = next((parsed[key] for key in ("version", "release", "tag") if key in parsed), None)
    return str(parsed)[:100] if parsed else None


async def _sample(context: Context, incident: Incident, checkpoint: timedelta) -> e.SampleTaken:
    """One row: what was counted between the checkpoint before and this one."""
    since = _since(incident)
    end = since + checkpoint
    await context.clock.sleep((end - context.clock.now()).total_seconds())
    done = incident.samples[-1].offset_seconds if incident.samples else 0.0
    outcome = await _count(context, incident, since + timedelta(seconds=done), end)
    offset = checkpoint.total_seconds()
    if isinstance(outcome, str):
        return e.SampleTaken(offset_seconds=offset, requests=0, errors=0, problem=outcome)
    return e.SampleTaken(
        offset_seconds=offset,
        requests=outcome.requests,
        errors=outcome.errors,
        latency_ms=outcome.latency_ms,
        problem="" if outcome.requests else "No request was counted.",
    )


async def _judge(context: Context, incident: Incident, lease: Lease) -> None:
    service = incident.declared.service
    policy = context.catalog.verification_of(service).judge
    now = context.clock.now()
    outcome = await _count(context, incident, _since(incident), now)
    buckets = () if isinstance(outcome, str) else complete_buckets(outcome.buckets, now)
    baseline = incident.verification.baseline if incident.verification else None
    judgement = judge(baseline, buckets, policy)
    if isinstance(outcome, str):
        reasons = (outcome, *judgement.reasons)
        judgement = judgement.model_copy(update={"reasons": reasons})
    if _doubts(context, incident):
        # A replica that was late at the beginning may be ready by now.
        checked = await _check_instances(context, incident)
        incident = await context.journal.add(incident.id, checked, lease=lease)
    judgement = weigh(judgement, _doubts(context, incident))
    if judgement.verdict is RecoveryVerdict.RECOVERED and incident.plan:
        await releases.mark(context, service, incident.plan.to_release, "good", incident.id)
        if not incident.plan.undoes:
            await tripwire.set_up(context, incident, stakeholder_channels(context.catalog, service))
    judged = e.Judged(judgement=judgement, buckets=buckets)
    await context.journal.add(incident.id, judged, lease=lease)


def _doubts(context: Context, incident: Incident) -> list[str]:
    entry = context.service(incident.declared.service)
    target = incident.plan.expected_version if incident.plan else ""
    return doubts(incident.instances, target, versions_known=entry.version_path is not None)


async def _count(
    context: Context, incident: Incident, start: datetime, end: datetime
) -> Series | str:
    """Counts of a span, or why there are none."""
    service = incident.declared.service
    seconds = context.catalog.verification_of(service).judge.bucket_seconds
    try:
        return await context.metrics.series(
            service, context.service(service), start=start, end=end, seconds=seconds
        )
    except RollbackBotError as error:
        return error.what


def _since(incident: Incident) -> datetime:
    if incident.verification is None:
        raise RefusedError(f"{incident.id} is not being verified.", "Press “Verify again”.")
    return incident.verification.since
