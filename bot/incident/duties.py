"""What the bot itself owes an incident next: the same question after every event and restart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median

from bot.clouds.kubernetes.workloads import same_release
from bot.core.values import Instant, Value, seconds_between
from bot.incident.events import InstancesChecked, SmokeTested, StepOutcome
from bot.incident.plan import Milestone, Plan
from bot.incident.state import Incident, Phase
from bot.judge.counts import Judgement, RecoveryVerdict

# Whether counts, replicas and users' tasks together prove that the target release serves well.


def replica_problems(
    checked: InstancesChecked | None, target: str, *, versions_known: bool
) -> list[str]:
    """Why the replicas do not prove that ``target`` serves everywhere; empty when they do.

    ``versions_known`` says whether replicas have a version path at all. An empty ``target``
    means that the rollback changes no version, so that versions prove nothing.
    """
    if checked is None:
        return ["the replicas have not been checked"]
    found = list(checked.problems)
    if not checked.instances:
        found.append("no replica of the service was found")
    for instance in checked.instances:
        if not instance.ready:
            found.append(f"{instance.name} is not ready{_because(instance.problem)}")
        elif not target:
            continue
        elif instance.version is None and versions_known and instance.askable:
            found.append(f"{instance.name} does not tell its version{_because(instance.problem)}")
        elif instance.version is not None and not same_release(instance.version, target):
            found.append(f"{instance.name} serves {instance.version}, not {target}")
    if checked.health_ok is False:
        found.append("the service's health check fails")
    if target and checked.version is not None and not same_release(checked.version, target):
        found.append(f"the service answers as {checked.version}, not {target}")
    return found


def smoke_problems(tested: SmokeTested | None) -> list[str]:
    """Which of users' tasks do not work; empty when all do, or none is known."""
    if tested is None:
        return []
    return [
        f"smoke test “{one.name}” fails{_because(one.what)}"
        for one in tested.results
        if not one.passed
    ]


def weigh(judgement: Judgement, found: list[str]) -> Judgement:
    """The judgement after the replicas were heard: good counts alone do not prove recovery."""
    if not found:
        return judgement
    verdict = judgement.verdict
    if verdict is RecoveryVerdict.RECOVERED:
        verdict = RecoveryVerdict.INCONCLUSIVE
    return judgement.model_copy(
        update={"verdict": verdict, "reasons": (*found, *judgement.reasons)}
    )


def is_proven(incident: Incident) -> bool:
    """Whether recovery is proven now: a relapse or a new verification takes the proof back."""
    if incident.judged is None or incident.judged_at is None:
        return False
    if any(relapse.at >= incident.judged_at for relapse in incident.relapses):
        return False
    recovered = incident.phase in {Phase.RECOVERED, Phase.RESOLVED}
    return recovered and incident.judged.judgement.verdict is RecoveryVerdict.RECOVERED


def _because(problem: str) -> str:
    return f" ({problem})" if problem else ""


class Duty(StrEnum):
    """A piece of work that needs no person."""

    ASSEMBLE = "assemble"
    """Open the channel where there is to be one, assign and invite the team, announce."""
    PREPARE = "prepare"
    EXECUTE = "execute"
    VERIFY = "verify"
    FIND_CAUSES = "find causes"
    """Recovery is not proven: look at the known causes one by one."""
    FREEZE = "freeze"
    """Freeze deploys after a proven rollback, and free them before it is undone."""
    REPORT = "report"


_UNPROVEN = frozenset({Phase.NOT_RECOVERED, Phase.INCONCLUSIVE})
_BY_PHASE = {
    Phase.PLANNING: Duty.PREPARE,
    Phase.APPROVED: Duty.EXECUTE,
    Phase.EXECUTING: Duty.EXECUTE,
    Phase.VERIFYING: Duty.VERIFY,
    Phase.RESOLVED: Duty.REPORT,
}


def owed(incident: Incident) -> Duty | None:
    """The next duty, or None while the incident waits for a person or is done.

    Work that was interrupted is owed again, because only its last event ends it.
    """
    if not incident.has_place or incident.team is None:
        return Duty.ASSEMBLE
    if incident.paused_by is not None:
        return None
    if incident.report is not None:
        return None
    if _owes_freeze(incident):
        return Duty.FREEZE
    if incident.phase in _UNPROVEN and incident.causes is None:
        return Duty.FIND_CAUSES
    return _BY_PHASE.get(incident.phase)


def _owes_freeze(incident: Incident) -> bool:
    """Whether the deploy freeze is not what the last rollback calls for.

    A freeze that was lifted is not set again for the same plan.
    """
    plan = incident.plan
    if plan is None:
        return False
    if plan.undoes:
        # People decided that the withdrawn release was not the cause.
        return incident.freeze is not None and incident.approved_at is not None
    return is_proven(incident) and incident.frozen_for != plan.hash


# How long the parts of an incident took.


class Timings(Value):
    """Durations in seconds; None for what has not happened or cannot be told."""

    detect: float | None = None
    """From when the release was first bad, as far as that is known, to its detection."""
    decide: float | None = None
    """From the assessment to the declaration."""
    approve: float | None = None
    """From the plan on the table to its approval."""
    switch: float | None = None
    """From the approval to new requests reaching the target release."""
    drain: float | None = None
    """From the switch to the bad release's last request."""
    execute: float | None = None
    """From the first step's start to the execution's end, however it ended."""
    recover: float | None = None
    """From the declaration to the proof of recovery."""
    resolve: float | None = None
    """From the declaration to the resolution."""


def timings(
    incident: Incident, *, began: Instant | None = None, detected: Instant | None = None
) -> Timings:
    """Measure an incident; ``began`` is when it was first bad, where that is known.

    ``detected`` is when that was noticed; without it, the opening of the assessment.
    """
    declared, assessed = incident.opened_at, incident.declared.assessed_at
    switched = incident.milestones.get(Milestone.SWITCHED)
    drained = incident.milestones.get(Milestone.DRAINED)
    return Timings(
        detect=seconds_between(began, detected or assessed),
        decide=seconds_between(assessed, declared),
        approve=seconds_between(incident.proposed_at, incident.approved_at),
        switch=seconds_between(incident.approved_at, switched),
        drain=seconds_between(switched, drained),
        execute=seconds_between(incident.execution_started_at, incident.execution_finished_at),
        recover=seconds_between(declared, recovered_at(incident)),
        resolve=seconds_between(declared, incident.resolved_at),
    )


def recovered_at(incident: Incident) -> Instant | None:
    """When recovery was proven; None when it was not, or when it did not last."""
    return incident.judged_at if is_proven(incident) else None


def relapsed_at(incident: Incident) -> Instant | None:
    """When the service got worse again after the last judgement; None when it did not."""
    judged_at = incident.judged_at
    later = [relapse.at for relapse in incident.relapses if judged_at and relapse.at >= judged_at]
    return later[-1] if later else None


# The ten-minute updates: when the next one is due.


def next_update_at(incident: Incident, interval: timedelta) -> datetime | None:
    """When the next update is due; None once the incident is resolved.

    Updates keep to the rhythm that began with the declaration. A missed beat (the bot was down)
    is made up for by one update, not by one for every missed beat.
    """
    if not incident.is_open:
        return None
    last = incident.updated_at or incident.opened_at
    if incident.relapses:
        # No beat was missed while it was resolved, and the relapse itself has just been told.
        last = max(last, incident.relapses[-1].at)
    beats = (last - incident.opened_at) // interval
    return incident.opened_at + (beats + 1) * interval


def is_update_due(incident: Incident, interval: timedelta, now: datetime) -> bool:
    """Whether an update should be posted now."""
    due = next_update_at(incident, interval)
    return due is not None and due <= now


# How long a step takes, learned from the past runs of the same service.


def learned(plan: Plan, past: Iterable[Incident]) -> Plan:
    """The plan with the median duration of each step kind that has run before.

    A step that was found done already took no time and teaches nothing; neither does one that
    was resumed after an interruption, because its time includes the outage. The strategy's own
    estimate stays where there is nothing to learn from.
    """
    seen: dict[str, list[float]] = defaultdict(list)
    for incident in past:
        if incident.plan is None:
            continue
        for step, record in zip(incident.plan.steps, incident.steps, strict=False):
            seconds = seconds_between(record.started_at, record.finished_at)
            if seconds is None or record.outcome is StepOutcome.ALREADY or record.resumed:
                continue
            seen[step.action.kind].append(seconds)
    steps = tuple(
        step.model_copy(update={"estimate_seconds": round(median(seen[step.action.kind]), 1)})
        if step.action.kind in seen
        else step
        for step in plan.steps
    )
    return plan.model_copy(update={"steps": steps})
