"""How long the parts of an incident took."""

from __future__ import annotations

from bot.domain.incident import Incident
from bot.domain.plan import Milestone
from bot.domain.proof import is_proven
from bot.domain.values import Instant, Value, seconds_between


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
