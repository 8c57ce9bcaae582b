"""Chapter 1: the outcome first, then the figures, then what is left to do."""

from __future__ import annotations

from bot.domain.incident import Incident
from bot.domain.reporting.document import Block, Section, clock_time, items, paragraph, quote, table
from bot.domain.reporting.figures import affected, counted, failed, told, took
from bot.domain.reporting.numbers import Numbers
from bot.domain.reporting.outcome import ongoing, outcome


def summary(incident: Incident, numbers: Numbers) -> Section:
    """1: the outcome first, then the figures, then what is left to do."""
    declared = incident.declared
    opening = (
        f"{incident.bad_release} of {declared.service} was reported as "
        f"{declared.verdict.severity.value} ({declared.verdict.severity.priority}) at "
        f"{clock_time(incident.opened_at)}."
    )
    left = ongoing(incident)
    blocks: tuple[Block, ...] = (
        paragraph(opening, outcome(incident)),
        quote(declared.decision.reason, declared.by),
        table("Figure", "Value", rows=_figures(incident, numbers)),
        items(*left) if left else paragraph("Nothing is left open."),
    )
    return Section(number="1", title="Executive Summary", blocks=blocks)


def _figures(incident: Incident, numbers: Numbers) -> list[tuple[str, ...]]:
    times, plan = numbers.timings, incident.plan
    rows = [
        ("Service", incident.declared.service),
        ("Withdrawn release", incident.bad_release),
        ("Target release", plan.to_release if plan else "none was chosen"),
        ("Time to detect", told(times.detect, numbers.detected_from)),
        ("Time to decide (assessment to declaration)", took(times.decide)),
        ("Time to approve (plan to approval)", took(times.approve)),
        ("Time to switch (approval to traffic switched)", took(times.switch)),
        ("Time to drain (switched to drained)", took(times.drain)),
        ("Time to recover (declaration to proven recovery)", took(times.recover)),
        ("Time to resolve (declaration to resolution)", took(times.resolve)),
        ("Failed requests", failed(numbers)),
        ("Failed requests beyond the baseline", counted(numbers.excess_failures)),
        ("Affected users, estimated", affected(numbers)),
        ("Downtime", numbers.downtime.text),
        ("Data loss", numbers.data_loss),
    ]
    return [*rows]
