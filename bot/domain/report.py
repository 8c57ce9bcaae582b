"""What is written about an incident: a pure function of what was recorded.

Three documents, and the figures behind them: the rollback report with the numbers and titles of
the team's template, the incident report and the release plan's summary of the procedure (5.3,
6.4). A section without content says why; nothing is left blank.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Literal

from bot.domain.assessment import Severity
from bot.domain.events import PlanProposed, Recorded, ReportPublished
from bot.domain.incident import Incident, Phase
from bot.domain.recovery import Bucket
from bot.domain.reporting import analysis, procedure, trigger
from bot.domain.reporting.appendix import appendix
from bot.domain.reporting.document import Document, DocumentName, Image, Section, paragraph
from bot.domain.reporting.history import History, alt_text, history_of
from bot.domain.reporting.incident_report import incident_report
from bot.domain.reporting.logs import LogPatterns
from bot.domain.reporting.numbers import Numbers, numbers_of
from bot.domain.reporting.outcome import Outcome, outcome_of
from bot.domain.reporting.personnel import personnel
from bot.domain.reporting.plan_summary import plan_summary
from bot.domain.reporting.summary import summary
from bot.domain.reporting.timeline import Moment, timeline
from bot.domain.reporting.verification import verification
from bot.domain.values import Instant, Value


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
        trigger.reason(incident),
        trigger.severity(incident),
        trigger.impact(incident, numbers),
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
