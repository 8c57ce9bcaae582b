"""The rest of chapter 4: why did it happen, and what follows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.core.values import Instant, seconds_between, spoken
from bot.incident import events as e
from bot.incident.assessment import percent
from bot.incident.events import ChangesCompared, Conclusion
from bot.incident.plan import Milestone
from bot.incident.state import ActionState, Incident
from bot.reporting import history
from bot.reporting.document import (
    Block,
    Document,
    DocumentName,
    Image,
    Item,
    Section,
    called,
    clock_time,
    fields,
    items,
    linked,
    paragraph,
    quote,
    sentence,
    table,
)
from bot.reporting.history import Numbers, affected, failed, outcome
from bot.reporting.timeline import to_customers, told


def root_cause(incident: Incident) -> Section:
    """4.2: what people found, and what the withdrawn release had changed."""
    conclusion = incident.conclusion
    found = conclusion.root_cause.strip() if conclusion else ""
    block: Block = (
        quote(found, incident.resolved_by)
        if found
        else paragraph("Nobody has entered a root cause yet.")
    )
    changes = (
        _changes(incident.compared)
        if incident.compared
        else (paragraph("What the withdrawn release changed was not looked up."),)
    )
    return Section(number="4.2", title="Root Cause Analysis (Initial)", blocks=(block, *changes))


def _changes(compared: ChangesCompared) -> Iterator[Block]:
    total = max(compared.total_commits, len(compared.commits))
    yield paragraph(
        f"What {compared.head} changed since {compared.base}: {history.changed(compared)}."
    )
    yield items(linked(f"Comparison of {compared.base} with {compared.head}", compared.url))
    if compared.pull_requests:
        yield paragraph("Pull requests:")
        yield items(
            *(linked(f"#{p.number} {p.title} — {p.author}", p.url) for p in compared.pull_requests)
        )
    if compared.commits:
        yield paragraph("Commits:")
        yield items(
            *(linked(f"{c.sha[:10]} {c.title} — {c.author}", c.url) for c in compared.commits)
        )
    if total > len(compared.commits):
        more = total - len(compared.commits)
        yield paragraph(f"{more} more commits are in the comparison and not in this list.")


def corrective_actions(incident: Incident) -> Section:
    """4.3: what will be done by whom, and what becomes of the withdrawn release."""
    conclusion = incident.conclusion
    blocks: list[Block] = []
    if conclusion and conclusion.corrective_actions:
        blocks.append(items(*action_items(incident), ordered=True))
    else:
        blocks.append(paragraph("Nobody has entered a corrective action yet."))
    blocks.append(items(sentence(hotfix_plan(conclusion)), *_next(incident)))
    return Section(number="4.3", title="Corrective Actions", blocks=tuple(blocks))


def action_items(incident: Incident, *, checklist: bool = False) -> tuple[Item, ...]:
    """The corrective actions with owner, date and issue, and how each stands."""
    actions = incident.conclusion.corrective_actions if incident.conclusion else ()
    found = []
    for index, action in enumerate(actions):
        state = incident.actions.get(index, ActionState())
        gaps = [] if action.owner else ["no owner yet"]
        gaps += [] if action.due else ["no date yet"]
        gaps += [f"done on {state.done_at:%Y-%m-%d}"] if state.done_at else []
        gaps += ["its issue was deleted: taken for dropped"] if state.dropped else []
        text = f"{action.spoken} [{', '.join(gaps)}]" if gaps else action.spoken
        done = state.done_at is not None if checklist else None
        found.append(linked(text, state.url, done=done))
    return tuple(found)


def hotfix_plan(conclusion: Conclusion | None) -> str:
    """What becomes of the withdrawn release, and when."""
    if conclusion is None:
        return "What becomes of the withdrawn release is not decided yet"
    when = conclusion.follow_up_timeline or "no date was given"
    return f"The withdrawn release: {conclusion.follow_up.value}. Timeline: {when}"


def post_mortem(incident: Incident) -> str:
    """When people meet to learn from it."""
    meeting = incident.post_mortem
    if meeting is None:
        return "No post-mortem is scheduled yet"
    people = ", ".join(person.name for person in meeting.people) or "nobody yet"
    return f"{clock_time(meeting.start)}, {spoken(meeting.minutes * 60)}, with {people}"


def _next(incident: Incident) -> Iterator[Item]:
    meeting = post_mortem(incident)
    yield Item(text=sentence(f"Post-mortem: {meeting}" if incident.post_mortem else meeting))
    if incident.freeze:
        where = ", ".join(incident.freeze.marks) or "no object, because of the problems below"
        yield Item(text=f"A deploy freeze holds, marked on {where}.")
        yield from (Item(text=sentence(problem)) for problem in incident.freeze.problems)
    else:
        yield Item(text="No deploy freeze holds.")
    if incident.release_plan:
        yield linked("The rollback summary in the release plan", incident.release_plan.where)
    else:
        yield Item(text="The rollback summary is not in a release plan yet.")


def lessons(incident: Incident) -> Section:
    """4.4: what went well, and what could be better."""
    conclusion, by = incident.conclusion, incident.resolved_by
    blocks: list[Block] = []
    for heading, text, missing in (
        ("What went well:", conclusion.went_well if conclusion else "", "what went well"),
        ("What could be improved:", conclusion.to_improve if conclusion else "", "what to improve"),
    ):
        if text.strip():
            blocks += [paragraph(heading), quote(text, by)]
        else:
            blocks.append(paragraph(f"Nobody has entered {missing} yet."))
    return Section(number="4.4", title="Lessons Learned", blocks=tuple(blocks))


# The incident report of the procedure (5.3): one page for those who were not there.

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
