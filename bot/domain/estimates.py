"""How long a step takes, learned from the past runs of the same service."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import median

from bot.domain.events import StepOutcome
from bot.domain.incident import Incident
from bot.domain.plan import Plan
from bot.domain.values import seconds_between


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
