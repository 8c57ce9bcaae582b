"""Chapter 5: the evidence behind the chapters before it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from bot.domain import events as e
from bot.domain.incident import Incident
from bot.domain.reporting.document import Block, Code, Section, items, paragraph, table
from bot.domain.reporting.timeline import Moment


def appendix(
    incident: Incident,
    recorded: Sequence[e.Recorded],
    moments: Sequence[Moment],
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
            told = json.dumps(fields, ensure_ascii=False, sort_keys=True) if fields else ""
            number = item.event.index + 1
            lines.append(f"{item.at:%H:%M:%S} {number} {item.event.kind} {told}".rstrip())
    block: Block = Code(text="\n".join(lines)) if lines else paragraph("No step was ever started.")
    return Section(number="5.2", title="Step Journal", blocks=(block,))


def _script(incident: Incident) -> Section:
    """What a person would type to do the same by hand."""
    block: Block = (
        Code(text=incident.plan.script(), language="sh")
        if incident.plan
        else paragraph("There is no script, because there was no plan.")
    )
    return Section(number="5.3", title="Equivalent Shell Script", blocks=(block,))


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
    return Section(number="5.4", title="Files", blocks=tuple(blocks))
