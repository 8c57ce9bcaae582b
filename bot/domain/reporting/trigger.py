"""Chapter 2: why, how bad, and for whom."""

from __future__ import annotations

from bot.domain.assessment import VerdictKind
from bot.domain.incident import Incident
from bot.domain.reporting.document import (
    Block,
    Section,
    clock_time,
    items,
    paragraph,
    quote,
    sentence,
    table,
)
from bot.domain.reporting.figures import counted, given, share
from bot.domain.reporting.numbers import Numbers

_VERDICTS = {
    VerdictKind.IMMEDIATE: "roll back immediately",
    VerdictKind.DISCUSS: "discuss a rollback",
    VerdictKind.MONITOR: "go on and monitor",
}


def reason(incident: Incident) -> Section:
    """2.1: the decision record and what the matrix said."""
    declared = incident.declared
    assessment, decision = declared.assessment, declared.decision
    blocks: list[Block] = [quote(decision.reason, declared.by)]
    if assessment.description:
        blocks += [paragraph("What was seen:"), quote(assessment.description, declared.by)]
    blocks += [
        paragraph(
            f"The decision matrix said: {_VERDICTS[declared.verdict.kind]}, because of this:"
        ),
        items(*(sentence(r.text) for r in declared.verdict.reasons)),
        table(
            "Decision record",
            "Entry",
            rows=[
                ("Time", clock_time(incident.opened_at)),
                ("Decided by", declared.by.name),
                ("Affected users", given(decision.affected_users)),
                ("Alternatives considered", given(decision.alternatives)),
                ("Why a rollback", given(decision.rationale)),
            ],
        ),
    ]
    return Section(number="2.1", title="Reason for Rollback", blocks=tuple(blocks))


def severity(incident: Incident) -> Section:
    """2.2: on the scale of the template, with the P scale."""
    worst = incident.declared.verdict.severity
    telling = [r.text for r in incident.declared.verdict.reasons if r.severity is worst]
    return Section(
        number="2.2",
        title="Severity Level",
        blocks=(
            paragraph(f"{worst.value} ({worst.priority})."),
            items(*(sentence(text) for text in telling)),
        ),
    )


def impact(incident: Incident, numbers: Numbers) -> Section:
    """2.3: on users, on the service, on the business."""
    assessment = incident.declared.assessment
    figures = assessment.figures
    rows = [
        ("Affected users", given(incident.declared.decision.affected_users)),
        ("Share of users affected", share(assessment.affected_users)),
        ("Business metrics down by", share(assessment.business_drop)),
        ("Error rate at the assessment", share(figures.error_rate)),
        ("Error rate before the release", share(figures.baseline_error_rate)),
        ("Response time at the assessment", _latency(figures.latency_ms)),
        ("Response time before the release", _latency(figures.baseline_latency_ms)),
        ("Share of counted requests that failed, until drained", share(numbers.failed_share)),
        ("Failed requests beyond the baseline", counted(numbers.excess_failures)),
        ("Downtime", numbers.downtime.text),
        ("Data loss", numbers.data_loss),
    ]
    blocks: list[Block] = [table("Measure", "Value", rows=list(rows))]
    tallied = [(t.name, _number(t.requests), _number(t.errors), t.note) for t in numbers.tallies]
    blocks.append(table("Requests", "Sent", "Failed", "Source", rows=list(tallied)))
    if figures.problems:
        blocks.append(items(*(sentence(problem) for problem in figures.problems)))
    conclusion = incident.conclusion
    if conclusion and conclusion.impact:
        blocks.append(quote(conclusion.impact, incident.resolved_by))
    else:
        blocks.append(paragraph("Nobody has described the impact on the business in words."))
    return Section(number="2.3", title="Impact Assessment", blocks=tuple(blocks))


def _number(value: int | None) -> str:
    return "unknown" if value is None else str(value)


def _latency(milliseconds: float | None) -> str:
    return "unknown" if milliseconds is None else f"{milliseconds:.0f} ms"
