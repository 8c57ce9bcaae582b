"""Chapters 1 and 2: what happened, why, how bad, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.assessment import VerdictKind, percent
from bot.domain.events import ExecutionOutcome
from bot.domain.incident import Incident
from bot.domain.recovery import RecoveryVerdict
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
from bot.domain.reporting.history import Tally
from bot.domain.timings import timings
from bot.domain.values import spoken

_VERDICTS = {
    VerdictKind.IMMEDIATE: "roll back immediately",
    VerdictKind.DISCUSS: "discuss a rollback",
    VerdictKind.MONITOR: "go on and monitor",
}


def summary(incident: Incident, tallies: Sequence[Tally]) -> Section:
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
        table("Figure", "Value", rows=_figures(incident, tallies)),
        items(*left) if left else paragraph("Nothing is left open."),
    )
    return Section(number="1", title="Executive Summary", blocks=blocks)


def outcome(incident: Incident) -> str:
    """How it ended, in a sentence or two."""
    plan, execution, judged = incident.plan, incident.execution, incident.judged
    if plan is None:
        return "No rollback was carried out, because no plan could be made."
    if execution is None:
        if incident.rejection:
            return f"The plan was rejected by {incident.rejection.by.name}; nothing was changed."
        return "No plan was carried out; nothing was changed."
    if execution.outcome is not ExecutionOutcome.SUCCEEDED:
        return (
            f"The rollback to {plan.to_release} ended before its last step "
            f"({execution.outcome.value}): {sentence(execution.what)}"
        )
    done = f"The rollback to {plan.to_release} ({plan.strategy}) was carried out."
    if judged is None:
        return f"{done} Whether the service recovered was not judged."
    words = {
        RecoveryVerdict.RECOVERED: "Recovery is proven",
        RecoveryVerdict.NOT_RECOVERED: "The service did not recover",
        RecoveryVerdict.INCONCLUSIVE: "Recovery could not be proven",
    }
    reasons = "; ".join(judged.judgement.reasons)
    return f"{done} {words[judged.judgement.verdict]}: {sentence(reasons)}"


def ongoing(incident: Incident) -> list[str]:
    """What a reader must not think finished."""
    left = []
    recovered = RecoveryVerdict.RECOVERED
    if incident.judged is None or incident.judged.judgement.verdict is not recovered:
        left.append("Recovery is not proven.")
    left += [
        f"Break-glass: have {used.approver.name} confirm that they approved plan "
        f"{used.plan_hash[:12]} at the terminal of {used.by.name}; it is not proven."
        for used in incident.break_glass
    ]
    if incident.execution and incident.execution.remedy:
        left.append(sentence(incident.execution.remedy))
    if incident.plan and incident.execution:
        left += [f"Not restored: {sentence(text)}" for text in incident.plan.not_restored]
    if incident.conclusion:
        when = incident.conclusion.follow_up_timeline or "no date was given"
        left.append(f"{incident.bad_release}: {incident.conclusion.follow_up.value} ({when}).")
    return left + [f"{n.subject}: {sentence(n.what)} {n.remedy}".strip() for n in incident.notes]


def _figures(incident: Incident, tallies: Sequence[Tally]) -> list[tuple[str, ...]]:
    took, plan = timings(incident), incident.plan
    rows = [
        ("Service", incident.declared.service),
        ("Withdrawn release", incident.bad_release),
        ("Target release", plan.to_release if plan else "none was chosen"),
        ("Approval to traffic switched", _took(took.switch)),
        ("Declaration to proven recovery", _took(took.recover)),
        ("Declaration to resolution", _took(took.resolve)),
        ("Downtime planned for", plan.downtime if plan else "no plan"),
        ("Data loss", plan.data_loss if plan else "no plan"),
    ]
    return [*rows, *((f"Failed requests: {t.name}", _failed(t)) for t in tallies)]


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
                ("Affected users", _given(decision.affected_users)),
                ("Alternatives considered", _given(decision.alternatives)),
                ("Why a rollback", _given(decision.rationale)),
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


def impact(incident: Incident, tallies: Sequence[Tally]) -> Section:
    """2.3: on users, on the service, on the business."""
    assessment = incident.declared.assessment
    figures = assessment.figures
    rows = [
        ("Affected users", _given(incident.declared.decision.affected_users)),
        ("Share of users affected", _share(assessment.affected_users)),
        ("Business metrics down by", _share(assessment.business_drop)),
        ("Error rate at the assessment", _share(figures.error_rate)),
        ("Error rate before the release", _share(figures.baseline_error_rate)),
        ("Response time at the assessment", _latency(figures.latency_ms)),
        ("Response time before the release", _latency(figures.baseline_latency_ms)),
    ]
    blocks: list[Block] = [table("Measure", "Value", rows=list(rows))]
    counted = [(t.name, _number(t.requests), _number(t.errors), t.note) for t in tallies]
    blocks.append(table("Requests", "Sent", "Failed", "Source", rows=list(counted)))
    if figures.problems:
        blocks.append(items(*(sentence(problem) for problem in figures.problems)))
    conclusion = incident.conclusion
    if conclusion and conclusion.impact:
        blocks.append(quote(conclusion.impact, incident.resolved_by))
    else:
        blocks.append(paragraph("Nobody has described the impact on the business in words."))
    return Section(number="2.3", title="Impact Assessment", blocks=tuple(blocks))


def _took(seconds: float | None) -> str:
    return "did not happen" if seconds is None else spoken(seconds)


def _failed(tally: Tally) -> str:
    if tally.requests is None or tally.errors is None:
        return "unknown: nothing was counted"
    return f"{tally.errors} of {tally.requests} ({tally.note})"


def _number(value: int | None) -> str:
    return "unknown" if value is None else str(value)


def _given(text: str) -> str:
    return text or "nothing was entered"


def _share(share: float | None) -> str:
    return "unknown" if share is None else percent(share)


def _latency(milliseconds: float | None) -> str:
    return "unknown" if milliseconds is None else f"{milliseconds:.0f} ms"
