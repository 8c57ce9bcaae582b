"""The rollback summary for the release plan (procedure 6.4): a part of a larger document."""

from __future__ import annotations

from bot.domain.events import ExecutionOutcome
from bot.domain.incident import Incident
from bot.domain.reporting.analysis import action_items
from bot.domain.reporting.document import (
    Block,
    Document,
    DocumentName,
    Section,
    clock_time,
    fields,
    items,
    paragraph,
    quote,
)
from bot.domain.reporting.incident_report import follow_up, impact_lines, root_cause_block
from bot.domain.reporting.numbers import Numbers
from bot.domain.reporting.outcome import Outcome, outcome_of
from bot.domain.values import spoken

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
