"""Prepare: observe, choose, plan, check, keep evidence. Nothing is changed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bot.assessment.figures import normal
from bot.core.errors import PermanentError, RefusedError, RollbackBotError, TemporaryError
from bot.engine import releases
from bot.engine.context import Context
from bot.engine.journal import Decision
from bot.engine.world import Evidence, Strategy
from bot.execution import multi_service
from bot.execution.execute import plan_undo
from bot.incident import events as e
from bot.incident.duties import learned
from bot.incident.plan import Plan
from bot.incident.state import Incident
from bot.store.values import Attachment, Lease

LEARNED_FROM = 5
"""Past incidents of a service from which durations are learned."""


async def prepare(context: Context, incident: Incident, lease: Lease) -> None:
    """Duty PREPARE: put a plan on the table, or say why there is none."""
    try:
        proposed = await _propose(context, incident)
    except (PermanentError, RefusedError, TemporaryError) as error:
        remedy = error.remedy or "Mend the cause, then press “Plan again”."
        failed = e.PlanningFailed(what=error.what, remedy=remedy)
        await context.journal.add(incident.id, failed, lease=lease)
        return
    saved, notes = await _evidence(context, incident, proposed)
    names = tuple(attachment.name for attachment in saved)
    events: list[e.AnyEvent] = [*notes]
    if names:
        events.append(e.EvidenceSaved(names=names))
    events.append(proposed)
    decision = Decision(events=tuple(events), attachments=saved)
    await context.journal.record(incident.id, lambda _: decision, lease=lease)


async def _propose(context: Context, incident: Incident) -> e.PlanProposed:
    if incident.undoing is not None:
        plan = await plan_undo(context, incident.undoing)
        return e.PlanProposed(
            plan=await multi_service.guarded(context, plan),
            baseline=incident.baseline,
            baseline_note=incident.baseline_note,
            baselines=incident.baselines,
        )
    return await propose(
        context,
        incident.declared.service,
        strategy=context.strategy_of(incident),
        target=incident.target_release,
        parts=incident.parts,
    )


async def propose(
    context: Context,
    name: str,
    *,
    strategy: Strategy,
    target: str | None,
    parts: Sequence[str] = (),
) -> e.PlanProposed:
    """Make a plan from the live system as it is now; changes nothing.

    ``parts`` chooses among those of a composed rollback. Raises what ``Strategy.plan`` raises.
    """
    entry = context.service(name)
    among = await multi_service.gathered(context, name, strategy, parts=parts)
    marks = await releases.marks(context, name)
    observed = await strategy.observe(entry, context.world)
    usual = await normal(context, name, released_at=observed.released_at)
    plan = await among.strategy.plan(
        name,
        entry,
        context.world,
        target=target,
        marked_bad=marks.bad,
        known_good=multi_service.known_good(context, name, marks, usual),
    )
    plan = learned(plan, await _past(context, name))
    plan = await multi_service.guarded(context, plan)
    return e.PlanProposed(
        plan=plan,
        baseline=usual.baseline,
        baseline_note=usual.note,
        baselines=among.baselines,
        released_at=observed.released_at,
    )


async def _past(context: Context, name: str) -> list[Incident]:
    """The service's latest incidents, with the steps that they ran."""
    heads = await context.store.incidents(service=name, limit=LEARNED_FROM)
    return [await context.journal.load(head.id) for head in heads]


async def _evidence(
    context: Context, incident: Incident, proposed: e.PlanProposed
) -> tuple[tuple[Attachment, ...], tuple[e.Noted, ...]]:
    """Keep what the rollback may destroy; a failure is noted and stops nothing."""
    patience = context.catalog.assessment.patience.total_seconds()
    release = proposed.plan.from_release
    try:
        async with asyncio.timeout(patience):
            found = await _found(context, incident, proposed.plan)
    except (RollbackBotError, TimeoutError) as error:
        what = error.what if isinstance(error, RollbackBotError) else "It took too long."
        note = e.Noted(
            subject="evidence",
            what=f"Evidence about {release} could not be kept: {what}",
            remedy="Save the logs of its pods by hand before you approve, if they matter.",
        )
        return (), (note,)
    kept = set(incident.evidence)
    round_name = f"{len(kept)}-" if kept else ""
    attachments = tuple(
        Attachment(
            name=f"{round_name}{item.name}", media_type="text/plain", content=item.text.encode()
        )
        for item in found
    )
    return attachments, ()


async def _found(context: Context, incident: Incident, plan: Plan) -> tuple[Evidence, ...]:
    """What the plan may destroy, of every service that it is about."""
    if not plan.parts:
        entry = context.service(incident.declared.service)
        strategy = context.strategy_of(incident)
        return await strategy.evidence(entry, context.world, release=plan.from_release)
    groups = await asyncio.gather(
        *(
            context.strategy(part.strategy).evidence(
                context.service(part.service), context.world, release=part.from_release
            )
            for part in plan.parts
        )
    )
    return tuple(
        item.model_copy(update={"name": f"{part.service}-{part.strategy}-{item.name}"})
        for part, group in zip(plan.parts, groups, strict=True)
        for item in group
    )
