"""The incident report of the procedure (5.3): one page for those who were not there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.domain import events as e
from bot.domain.assessment import percent
from bot.domain.incident import Incident
from bot.domain.plan import Milestone
from bot.domain.reporting.alerted import called
from bot.domain.reporting.analysis import action_items, hotfix_plan, post_mortem
from bot.domain.reporting.communication import to_customers
from bot.domain.reporting.document import (
    Block,
    Document,
    DocumentName,
    Image,
    Item,
    Section,
    clock_time,
    fields,
    items,
    paragraph,
    quote,
    sentence,
    table,
)
from bot.domain.reporting.figures import affected, failed
from bot.domain.reporting.numbers import Numbers
from bot.domain.reporting.outcome import outcome
from bot.domain.reporting.timeline import told
from bot.domain.values import Instant, seconds_between, spoken

_KEY: tuple[type[e.Event], ...] = (
    e.PlanningFailed,
    e.PlanApproved,
    e.PlanRejected,
    e.UndoRequested,
    e.ExecutionStarted,
    e.StepFailed,
    e.ExecutionFinished,
    e.Judged,
    e.Relapsed,
    e.Resolved,
)


def incident_report(
    incident: Incident,
    recorded: Sequence[e.Recorded],
    numbers: Numbers,
    *,
    released_at: Instant | None,
    chart: Image | None,
) -> Document:
    """The procedure's incident report, with its headings."""
    severity = incident.declared.verdict.severity
    return Document(
        name=DocumentName.INCIDENT_REPORT,
        title=f"Incident Report: {incident.bad_release} Rollback",
        blocks=(
            fields(
                ("Incident ID", incident.id),
                ("Date", f"{incident.opened_at:%Y-%m-%d}"),
                ("Severity", f"{severity.priority} ({severity.value})"),
                ("Duration", _duration(incident, numbers)),
            ),
        ),
        sections=(
            Section(title="Summary", blocks=_summary(incident)),
            Section(
                title="Timeline",
                blocks=(
                    table(
                        "Time (UTC)",
                        "What",
                        rows=sorted(_moments(incident, recorded, released_at), key=_time_of),
                    ),
                    *([chart] if chart else []),
                ),
            ),
            Section(title="Impact", blocks=(items(*impact_lines(numbers)),)),
            Section(title="Root Cause", blocks=(root_cause_block(incident),)),
            Section(title="Resolution", blocks=_resolution(incident)),
            Section(title="Preventive Measures", blocks=(_measures(incident),)),
            Section(title="Follow-Up", blocks=(items(*follow_up(incident)),)),
        ),
    )


def _duration(incident: Incident, numbers: Numbers) -> str:
    start, end = numbers.detected_at or incident.declared.assessed_at, incident.resolved_at
    took = seconds_between(start, end)
    if took is None:
        return f"{clock_time(start)} - not resolved yet"
    return f"{clock_time(start)} - {clock_time(end)} ({spoken(took)})"


def _summary(incident: Incident) -> tuple[Block, ...]:
    declared = incident.declared
    opening = f"{incident.bad_release} of {declared.service} was to be withdrawn."
    return (paragraph(opening, outcome(incident)), quote(declared.decision.reason, declared.by))


def _moments(
    incident: Incident, recorded: Sequence[e.Recorded], released_at: Instant | None
) -> Iterator[tuple[str, ...]]:
    """What an outsider needs to follow it: a dozen lines, not a hundred."""
    if released_at is not None:
        yield _row(released_at, f"Release {incident.bad_release} began to serve")
    figures = incident.declared.assessment.figures
    rate = "unknown" if figures.error_rate is None else percent(figures.error_rate)
    noticed = incident.declared.noticed_by(released_at)
    if noticed is not None:
        yield _row(noticed.started_at, f"Detected by the alert {called(noticed)}")
    yield _row(incident.declared.assessed_at, f"Assessment opened; error rate {rate}")
    yield _row(incident.opened_at, f"Rollback decided by {incident.declared.by.name}")
    plan = None
    for item in recorded:
        if isinstance(item.event, e.PlanProposed):
            plan = item.event.plan
        if isinstance(item.event, _KEY):
            yield _row(item.at, sentence(told(item.event, plan)))
    for milestone, text in (
        (Milestone.SWITCHED, "New requests reach the target release"),
        (Milestone.DRAINED, "The withdrawn release serves no more requests"),
    ):
        if at := incident.milestones.get(milestone):
            yield _row(at, text)


def _row(at: Instant, text: str) -> tuple[str, ...]:
    return f"{at:%Y-%m-%d %H:%M:%S}", sentence(text)


def _time_of(row: tuple[str, ...]) -> str:
    return row[0]


def impact_lines(numbers: Numbers) -> tuple[str, ...]:
    """Users, duration, downtime, data loss: as the procedure lists them."""
    elevated = numbers.elevated_seconds
    known = numbers.timings.detect is not None
    start = "its beginning" if known else "the assessment; when it began is unknown,"
    return (
        f"Users affected: {affected(numbers)}",
        "Duration of elevated errors: "
        + (
            "not over, recovery is not proven"
            if elevated is None
            else f"{spoken(elevated)} from {start} to the end of the drain"
        ),
        f"Failed requests: {failed(numbers)}",
        f"Downtime: {numbers.downtime.text}",
        f"Data loss: {numbers.data_loss}",
    )


def root_cause_block(incident: Incident) -> Block:
    """The root cause in a person's words, or that there is none yet."""
    conclusion = incident.conclusion
    if conclusion and conclusion.root_cause.strip():
        return quote(conclusion.root_cause, incident.resolved_by)
    return paragraph("Nobody has entered a root cause yet.")


def _resolution(incident: Incident) -> tuple[Block, ...]:
    plan, execution = incident.plan, incident.execution
    succeeded = execution and execution.outcome is e.ExecutionOutcome.SUCCEEDED
    if plan is None or not succeeded:
        return (paragraph(outcome(incident)),)
    done = f"Rolled back to {plan.to_release} using the {plan.strategy} strategy."
    left = tuple(items(f"Not restored: {sentence(text)}") for text in plan.not_restored)
    return (paragraph(done), *left)


def _measures(incident: Incident) -> Block:
    found = action_items(incident)
    if not found:
        return paragraph("Nobody has entered a corrective action yet.")
    return items(*found, ordered=True)


def follow_up(incident: Incident) -> tuple[Item, ...]:
    """What is still to be done, as a checklist."""
    told_all = bool(incident.external_sent) and not incident.external_drafts
    return (
        Item(
            text=f"Post-mortem scheduled: {post_mortem(incident)}",
            done=incident.post_mortem is not None,
        ),
        Item(
            text=f"Hotfix plan: {hotfix_plan(incident.conclusion)}",
            done=incident.conclusion is not None and bool(incident.conclusion.follow_up_timeline),
        ),
        Item(text=f"Communication to affected users: {to_customers(incident)}", done=told_all),
    )
