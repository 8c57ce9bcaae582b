"""What is written about an incident: a pure function of what was recorded.

Three documents, and the figures behind them: the rollback report with the numbers and titles of
the team's template, the incident report and the release plan's summary of the procedure (5.3,
6.4). A section without content says why; nothing is left blank.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Literal

from bot.core.values import Actor, Instant, Value, spoken
from bot.incident import events as e
from bot.incident.assessment import Severity, VerdictKind
from bot.incident.events import ExecutionOutcome, PlanProposed, Recorded, ReportPublished
from bot.incident.state import Incident, Phase
from bot.judge.counts import Bucket
from bot.reporting import analysis, procedure
from bot.reporting.analysis import (
    action_items,
    follow_up,
    impact_lines,
    incident_report,
    root_cause_block,
)
from bot.reporting.document import (
    Block,
    Document,
    DocumentName,
    Image,
    LogPatterns,
    Section,
    clock_time,
    fields,
    items,
    paragraph,
    quote,
    sentence,
    table,
)
from bot.reporting.history import (
    History,
    Numbers,
    Outcome,
    affected,
    alt_text,
    counted,
    failed,
    given,
    history_of,
    numbers_of,
    ongoing,
    outcome,
    outcome_of,
    share,
    told,
    took,
)
from bot.reporting.timeline import Moment, timeline
from bot.reporting.verification import appendix, verification

# Chapter 1: the outcome first, then the figures, then what is left to do.


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


# Chapter 2: why, how bad, and for whom.

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


# The rollback summary for the release plan (procedure 6.4): a part of a larger document.

_SUCCESS = {
    Outcome.RECOVERED: "Yes, recovery is proven",
    Outcome.NOT_RECOVERED: "No, the service did not recover",
    Outcome.INCONCLUSIVE: "Not proven",
    Outcome.RELAPSED: "No, the service got worse again",
    Outcome.NOT_JUDGED: "Not judged",
    Outcome.STOPPED: "No, it ended before its last step",
    Outcome.NOT_EXECUTED: "No, it was not carried out",
}


def plan_summary(incident: Incident, numbers: Numbers) -> Document:
    """The procedure's rollback summary, with its headings."""
    plan, execute = incident.plan, numbers.timings.execute
    reasons = "; ".join(reason.text for reason in incident.declared.verdict.reasons)
    return Document(
        name=DocumentName.RELEASE_PLAN_SUMMARY,
        title="Rollback Summary",
        level=2,
        blocks=(
            fields(
                ("Incident", incident.id),
                ("Rollback Executed", _executed(incident)),
                ("Trigger Time", clock_time(incident.opened_at)),
                ("Trigger Reason", reasons),
                ("Rollback Method", _method(incident) if plan else "No plan was made"),
                ("Rollback Duration", "–" if execute is None else spoken(execute)),
                ("Rollback Success", _SUCCESS[outcome_of(incident)]),
            ),
        ),
        sections=(
            Section(title="Impact", blocks=(items(*impact_lines(numbers)),)),
            Section(title="Root Cause", blocks=(root_cause_block(incident),)),
            Section(title="Lessons Learned", blocks=_lessons(incident)),
            Section(
                title="Follow-Up Actions",
                blocks=(items(*follow_up(incident), *action_items(incident, checklist=True)),),
            ),
        ),
    )


def _executed(incident: Incident) -> str:
    if incident.execution_started_at is None:
        return "No"
    if incident.execution is None:
        return "It is still running"
    return "Yes" if incident.execution.outcome is ExecutionOutcome.SUCCEEDED else "In part"


def _method(incident: Incident) -> str:
    plan = incident.plan
    return f"{plan.strategy}, {plan.from_release} → {plan.to_release}" if plan else ""


def _lessons(incident: Incident) -> tuple[Block, ...]:
    conclusion = incident.conclusion
    found = (conclusion.went_well, conclusion.to_improve) if conclusion else ()
    quotes = tuple(quote(text, incident.resolved_by) for text in found if text.strip())
    return quotes or (paragraph("Nobody has entered a lesson yet."),)


# Chapter 3, last part: who was there, and what they did.


def personnel(incident: Incident, recorded: Sequence[e.Recorded]) -> Section:
    """3.4: everybody with a role or a deed."""
    names: dict[str, str] = {}
    roles: dict[str, list[str]] = defaultdict(list)
    deeds: dict[str, list[str]] = defaultdict(list)
    unfilled = []
    for assigned in incident.team or ():
        if not assigned.people:
            unfilled.append(assigned.role.value)
        for person in assigned.people:
            names[person.id] = person.name
            roles[person.id].append(assigned.role.value)
    for item in recorded:
        for actor, deed in _deeds(item.event):
            names[actor.id] = actor.name
            if deed not in deeds[actor.id]:
                deeds[actor.id].append(deed)
    rows: list[tuple[str, ...]] = [
        (name, ", ".join(roles[key]) or "–", ", ".join(deeds[key]) or "–")
        for key, name in names.items()
    ]
    blocks: list[Block] = [table("Person", "Role", "Did", rows=rows)]
    if unfilled:
        blocks.append(paragraph(f"Nobody was found for: {', '.join(unfilled)}."))
    return Section(number="3.4", title="Personnel Involved", blocks=tuple(blocks))


_DEEDS: dict[type[e.Event], str] = {
    e.Declared: "declared the incident",
    e.PlanRequested: "asked for a new plan",
    e.UndoRequested: "asked to undo the rollback",
    e.BreakGlassUsed: "took an approval at the terminal (break-glass)",
    e.PlanRejected: "rejected a plan",
    e.PauseRequested: "paused the execution",
    e.ResumeRequested: "resumed the execution",
    e.AbortRequested: "aborted the execution",
    e.VerificationRequested: "asked to judge again",
    e.WordsAdded: "wrote to the stakeholders",
    e.ExternalHeld: "held the messages to customers",
    e.ExternalFreed: "freed the messages to customers",
    e.ExternalSent: "sent a message to customers",
    e.ExternalDiscarded: "discarded a message to customers",
    e.Resolved: "resolved the incident",
    e.ActionDone: "finished a corrective action",
    e.FreezeLifted: "lifted the deploy freeze",
}


def _deeds(event: e.AnyEvent) -> Iterator[tuple[Actor, str]]:
    if isinstance(event, e.ApprovalGiven):
        yield event.approval.by, "approved the plan"
        return
    deed, by = _DEEDS.get(type(event)), getattr(event, "by", None)
    if deed and isinstance(by, Actor) and not by.is_bot:
        yield by, deed


class Report(Value):
    """Everything that is said about an incident, apart from how it is written down.

    As JSON, this is the published format; ``docs/report.schema.json`` is made of it.
    """

    format: Literal["rollback-bot/report/v1"] = "rollback-bot/report/v1"
    incident_id: str
    title: str
    edition: int
    """1; one more for every report that was published before the incident was opened again."""
    as_of: Instant
    """The moment of the last event that went into it."""
    service: str
    bad_release: str
    target_release: str | None
    severity: Severity
    priority: str
    phase: Phase
    outcome: Outcome
    numbers: Numbers
    documents: tuple[Document, ...]
    timeline: tuple[Moment, ...]
    history: History
    log_patterns: LogPatterns | None
    """None when no logs were saved."""
    chart_file: str | None
    """Name of the chart beside the report; None when there is nothing to draw."""
    script_file: str | None
    """Name of the shell script beside the report; None without a plan."""

    def document(self, name: DocumentName) -> Document:
        """One of the documents."""
        return next(found for found in self.documents if found.name is name)

    def file_name(self, ending: str) -> str:
        """Name of one of the report's files; every edition has names of its own."""
        return f"{_prefix(self.incident_id, self.edition)}-{ending}"


def build_report(
    incident: Incident,
    recorded: Sequence[Recorded],
    *,
    counted: Sequence[Bucket] = (),
    logs: LogPatterns | None = None,
    only: Collection[DocumentName] = tuple(DocumentName),
) -> Report:
    """Fill every section from an incident and all its events.

    ``counted`` are request counts over the whole incident, oldest first, for the chart and for
    the failed requests before and during the rollback; without them, both show only what the
    assessment and the judge were given. ``logs`` are the saved logs, grouped. Of the documents
    ``only`` these are written.
    """
    history = history_of(incident, counted)
    edition = _edition(incident, recorded)
    prefix = _prefix(incident.id, edition)
    chart = None
    if any(bucket.requests for bucket in history.buckets):
        chart = Image(file=f"{prefix}-error-rate.png", alt=alt_text(history))
    script_file = f"{prefix}-rollback.sh" if incident.plan else None
    moments = timeline(recorded)
    released_at = _released_at(incident, recorded)
    numbers = numbers_of(incident, counted, released_at=released_at)
    severity = incident.declared.verdict.severity
    files = [name for name in (chart.file if chart else None, script_file) if name]

    def whole() -> Document:
        sections = (
            *_chapters(incident, recorded, numbers, chart),
            *appendix(incident, recorded, moments=moments, logs=logs, files=files),
        )
        return _rollback_report(incident, history.title, sections)

    writing: dict[DocumentName, Callable[[], Document]] = {
        DocumentName.ROLLBACK_REPORT: whole,
        DocumentName.INCIDENT_REPORT: lambda: incident_report(
            incident, recorded, numbers, released_at=released_at, chart=chart
        ),
        DocumentName.RELEASE_PLAN_SUMMARY: lambda: plan_summary(incident, numbers),
    }
    return Report(
        incident_id=incident.id,
        title=history.title,
        edition=edition,
        as_of=incident.changed_at,
        service=incident.declared.service,
        bad_release=incident.bad_release,
        target_release=incident.plan.to_release if incident.plan else None,
        severity=severity,
        priority=severity.priority,
        phase=incident.phase,
        outcome=outcome_of(incident),
        numbers=numbers,
        documents=tuple(write() for name, write in writing.items() if name in only),
        timeline=moments,
        history=history,
        log_patterns=logs,
        chart_file=chart.file if chart else None,
        script_file=script_file,
    )


def _rollback_report(incident: Incident, title: str, sections: tuple[Section, ...]) -> Document:
    state = (
        f"State of {incident.changed_at:%Y-%m-%d %H:%M:%S} UTC. Indented passages are the words "
        "of the people named below them."
    )
    return Document(
        name=DocumentName.ROLLBACK_REPORT,
        title=f"Rollback Report – {title}",
        blocks=(paragraph(state),),
        sections=sections,
    )


def _chapters(
    incident: Incident, recorded: Sequence[Recorded], numbers: Numbers, chart: Image | None
) -> tuple[Section, ...]:
    """Chapters 1 to 4 of the template."""
    return (
        summary(incident, numbers),
        _chapter("2", "Rollback Trigger"),
        reason(incident),
        severity(incident),
        impact(incident, numbers),
        _chapter("3", "Rollback Procedure"),
        procedure.plan_section(incident),
        procedure.execution(incident, recorded),
        procedure.times(incident, numbers),
        personnel(incident, recorded),
        _chapter("4", "Post-Rollback Analysis"),
        verification(incident, chart),
        analysis.root_cause(incident),
        analysis.corrective_actions(incident),
        analysis.lessons(incident),
    )


def _chapter(number: str, title: str) -> Section:
    """A heading that only holds its parts together."""
    return Section(number=number, title=title, blocks=())


def _edition(incident: Incident, recorded: Sequence[Recorded]) -> int:
    published = sum(isinstance(item.event, ReportPublished) for item in recorded)
    return max(1, published + (1 if incident.report is None else 0))


def _prefix(incident_id: str, edition: int) -> str:
    return incident_id if edition == 1 else f"{incident_id}-{edition}"


def _released_at(incident: Incident, recorded: Sequence[Recorded]) -> Instant | None:
    """When the bad release began to serve, as the first plan that knew it saw it."""
    for item in recorded:
        if isinstance(item.event, PlanProposed) and not item.event.plan.undoes:
            at = item.event.released_at
            if at is not None and item.event.plan.from_release == incident.bad_release:
                return at
    return None
