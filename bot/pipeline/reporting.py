"""Write the reports down, owe them to the channel, and free the service."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import dropwhile

import structlog

from bot.domain import events as e
from bot.domain.incident import Incident
from bot.domain.recovery import Bucket
from bot.domain.report import Report, build_report
from bot.domain.reporting.document import DocumentName
from bot.errors import RollbackBotError
from bot.pipeline.context import Context
from bot.pipeline.journal import Decision
from bot.ports.store import Attachment, Lease
from bot.views.chart import draw_chart
from bot.views.report import render_canvas, render_html, render_json, render_markdown
from bot.views.report_logs import log_patterns

log = structlog.get_logger()

LEAD_IN = timedelta(minutes=10)
"""So much of the time before the assessment is shown in the report's chart."""
_LOG = ".log"
"""How the names of saved logs end."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A report, written down in every format."""

    files: tuple[Attachment, ...]
    canvas: Attachment
    """The report for a Slack canvas; kept beside the files, but not one of them."""


async def report(context: Context, incident: Incident, lease: Lease) -> None:
    """Duty REPORT: write the reports and their appendix, owe the upload, and free the service."""
    drawn = await draw_report(context, incident)
    published = e.ReportPublished(
        files=tuple(item.name for item in drawn.files), canvas=drawn.canvas.name
    )
    decision = Decision(events=(published,), attachments=(*drawn.files, drawn.canvas), closes=True)

    def decide(now: Incident) -> Decision | None:
        # Opened again and resolved anew while it was drawn, it needs another report.
        return decision if now.resolved_at == incident.resolved_at else None

    await context.journal.record(incident.id, decide, lease=lease)


async def draw_report(context: Context, incident: Incident) -> Drawn:
    """The report's files from the events and what was saved; the same give the same files."""
    recorded = await context.journal.events(incident.id)
    counted = await counts(context, incident)
    logs = await _logs(context, incident)
    # Drawing takes long enough to delay every other incident's buttons.
    return await asyncio.to_thread(_draw, incident, recorded, counted, logs)


async def counts(context: Context, incident: Incident) -> tuple[Bucket, ...]:
    """What was counted from a little before the incident on; nothing when that is not known."""
    service = incident.declared.service
    try:
        series = await context.metrics.series(
            service,
            context.service(service),
            start=incident.declared.assessed_at - LEAD_IN,
            end=context.clock.now(),
            seconds=context.catalog.verification_of(service).judge.bucket_seconds,
        )
    except RollbackBotError as error:
        log.warning("the report has no counts", incident=incident.id, error=str(error))
        return ()
    # Before the first reading there is nothing to show, not even a gap.
    return tuple(dropwhile(lambda bucket: not bucket.requests, series.buckets))


async def _logs(context: Context, incident: Incident) -> dict[str, str]:
    """The saved logs by their names."""
    found = {}
    for name in dict.fromkeys(incident.evidence):
        if name.endswith(_LOG):
            kept = await context.store.attachment(incident.id, name)
            if kept is not None:
                found[name] = kept.content.decode(errors="replace")
    return found


def _draw(
    incident: Incident,
    recorded: Sequence[e.Recorded],
    counted: Sequence[Bucket],
    logs: Mapping[str, str],
) -> Drawn:
    built = build_report(incident, recorded, counted=counted, logs=log_patterns(logs))
    canvas = render_canvas(built.document(DocumentName.ROLLBACK_REPORT))
    return Drawn(
        files=tuple(_files(built, incident)),
        canvas=_text(built.file_name("canvas.md"), "text/markdown", canvas),
    )


def _files(built: Report, incident: Incident) -> Iterator[Attachment]:
    """The rollback report first, because people open the first file."""
    chart = draw_chart(built) if built.chart_file else None
    svg = chart.svg if chart else ""
    for document in built.documents:
        name = document.name.value
        page = render_html(document, chart=svg)
        yield _text(built.file_name(f"{name}.md"), "text/markdown", render_markdown(document))
        yield _text(built.file_name(f"{name}.html"), "text/html", page)
    yield _text(built.file_name("report.json"), "application/json", render_json(built))
    if chart and built.chart_file:
        yield Attachment(name=built.chart_file, media_type="image/png", content=chart.png)
    if incident.plan and built.script_file:
        yield _text(built.script_file, "text/x-shellscript", incident.plan.script())


def _text(name: str, media_type: str, text: str) -> Attachment:
    return Attachment(name=name, media_type=media_type, content=text.encode())
