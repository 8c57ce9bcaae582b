"""Chapter 5: the evidence behind the chapters before it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from bot.domain import events as e
from bot.domain.incident import Incident
from bot.domain.plan import Concern, Plan
from bot.domain.reporting.communication import communication
from bot.domain.reporting.document import Block, Code, Section, items, paragraph, sentence, table
from bot.domain.reporting.logs import LogPatterns
from bot.domain.reporting.timeline import Moment, step_title, told


def appendix(
    incident: Incident,
    recorded: Sequence[e.Recorded],
    *,
    moments: Sequence[Moment],
    logs: LogPatterns | None,
    files: Sequence[str],
) -> tuple[Section, ...]:
    """5 and its parts."""
    return (
        Section(
            number="5",
            title="Appendix",
            blocks=(
                paragraph(f"Everything below comes from the {len(recorded)} recorded events."),
            ),
        ),
        _timeline(moments),
        _journal(recorded),
        _migrations(recorded),
        _logs(logs),
        communication(incident, recorded),
        _script(incident),
        _files(incident, files),
    )


def _timeline(moments: Sequence[Moment]) -> Section:
    rows: list[tuple[str, ...]] = [
        (f"{moment.at:%Y-%m-%d %H:%M:%S}", moment.who or "rollback-bot", moment.text)
        for moment in moments
    ]
    block = table("Time (UTC)", "Who", "What", rows=rows)
    return Section(number="5.1", title="Timeline", blocks=(block,))


def _journal(recorded: Sequence[e.Recorded]) -> Section:
    """What each step found, as the machine recorded it."""
    lines = []
    for item in recorded:
        if isinstance(item.event, e.StepStarted | e.StepFinished | e.StepFailed):
            fields = item.event.model_dump(mode="json", exclude={"kind", "index"})
            written = json.dumps(fields, ensure_ascii=False, sort_keys=True) if fields else ""
            number = item.event.index + 1
            lines.append(f"{item.at:%H:%M:%S} UTC {number} {item.event.kind} {written}".rstrip())
    block: Block = Code(text="\n".join(lines)) if lines else paragraph("No step was ever started.")
    return Section(number="5.2", title="Step Journal", blocks=(block,))


def _migrations(recorded: Sequence[e.Recorded]) -> Section:
    """Every step that concerned a database, of every plan."""
    rows: list[tuple[str, ...]] = []
    plan: Plan | None = None
    for item in recorded:
        event = item.event
        if isinstance(event, e.PlanProposed):
            plan = event.plan
        elif isinstance(event, e.StepStarted | e.StepFinished | e.StepFailed):
            steps = plan.steps if plan else ()
            if event.index < len(steps) and steps[event.index].concerns is Concern.DATA:
                title = step_title(plan, event.index)
                found = told(event, plan).removeprefix(title).strip()
                rows.append((f"{item.at:%Y-%m-%d %H:%M:%S}", title, sentence(found)))
    block: Block = (
        table("Time (UTC)", "Step", "Result", rows=rows)
        if rows
        else paragraph("No step of this rollback concerned a database.")
    )
    return Section(number="5.3", title="Database Migration Log", blocks=(block,))


def _logs(logs: LogPatterns | None) -> Section:
    blocks: list[Block] = []
    if logs is None or not logs.lines:
        blocks.append(paragraph("No log lines of the withdrawn release were saved."))
    else:
        blocks.append(
            paragraph(
                f"{logs.lines} lines from {logs.files} saved logs, grouped by their wording; <*> "
                "stands for what differs. Addresses, tokens and long numbers are masked.",
                logs.note,
            )
        )
        rows = [(str(found.count), found.template, found.example) for found in logs.patterns]
        blocks.append(table("Lines", "Pattern", "One example", rows=list(rows)))
        if logs.rarer_patterns:
            blocks.append(
                paragraph(
                    f"{logs.rarer_lines} more lines follow {logs.rarer_patterns} rarer patterns; "
                    "they are in the saved logs."
                )
            )
    return Section(number="5.4", title="Log Patterns", blocks=tuple(blocks))


def _script(incident: Incident) -> Section:
    """What a person would type to do the same by hand."""
    block: Block = (
        Code(text=incident.plan.script(), language="sh")
        if incident.plan
        else paragraph("There is no script, because there was no plan.")
    )
    return Section(number="5.6", title="Equivalent Shell Script", blocks=(block,))


def _files(incident: Incident, files: Sequence[str]) -> Section:
    blocks: list[Block] = []
    if incident.evidence:
        blocks += [
            paragraph("Logs and objects saved before the rollback, kept with the incident:"),
            items(*dict.fromkeys(incident.evidence)),
        ]
    else:
        blocks.append(paragraph("No logs or objects were saved before the rollback."))
    if files:
        blocks += [paragraph("Files beside this report:"), items(*files)]
    else:
        blocks.append(paragraph("There are no files beside this report."))
    return Section(number="5.7", title="Files", blocks=tuple(blocks))
