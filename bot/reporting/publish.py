"""A report as files, each drawn for itself: one that cannot be drawn takes no other with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import dropwhile
from typing import TypeVar

import structlog

from bot.core.errors import RollbackBotError
from bot.engine.context import Context
from bot.engine.journal import Decision
from bot.incident import events as e
from bot.incident.state import Incident
from bot.judge.counts import Bucket
from bot.reporting.chart import Chart, draw_chart
from bot.reporting.document import (
    Block,
    Document,
    DocumentName,
    Image,
    Items,
    LogPatterns,
    Section,
    paragraph,
)
from bot.reporting.pages import (
    log_patterns,
    render_canvas,
    render_html,
    render_json,
    render_markdown,
)
from bot.reporting.report import Report, build_report
from bot.store.values import Attachment, Lease

log = structlog.get_logger()

COUNTS = "request counts"
_CHART = "chart"
_LOGS = "log patterns"
_CANVAS = "canvas"
_SCRIPT = "rollback.sh"

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A report, written down in every format, as far as that was possible."""

    files: tuple[Attachment, ...]
    canvas: Attachment | None
    """The report for a Slack canvas; kept beside the files, but not one of them."""
    missing: tuple[str, ...] = ()
    """What could not be drawn, in words for people."""


@dataclass(kw_only=True)
class Attempts:
    """Tries one part after the other and keeps in mind what failed.

    Nobody waits for a traceback: the log has it, people are told the part's name.
    """

    incident_id: str
    missing: list[str] = field(default_factory=list)

    def made(self, part: str, make: Callable[[], T]) -> T | None:
        """What was made; None when it could not be, which is noted."""
        try:
            return make()
        except Exception:
            self.failed(part)
            return None

    def failed(self, part: str) -> None:
        """Note a part that raised; to be called while the exception is handled."""
        log.exception("part of the report not drawn", incident=self.incident_id, part=part)
        self.missing.append(part)


def draw(
    incident: Incident,
    recorded: Sequence[e.Recorded],
    counted: Sequence[Bucket],
    logs: Mapping[str, str],
    attempts: Attempts,
) -> Drawn:
    """Draw every part that can be drawn. Takes seconds: call it outside the event loop."""
    patterns = attempts.made(_LOGS, lambda: log_patterns(logs))
    built = _built(incident, recorded, counted, patterns, attempts)
    if built is None:
        return Drawn(files=(), canvas=None, missing=tuple(attempts.missing))
    chart = attempts.made(_CHART, lambda: draw_chart(built)) if built.chart_file else None
    shown = built if chart or built.chart_file is None else _without_chart(built)
    files = tuple(_files(shown, chart, incident, attempts))
    canvas = _canvas(shown, attempts)
    return Drawn(files=files, canvas=canvas, missing=tuple(attempts.missing))


def _built(
    incident: Incident,
    recorded: Sequence[e.Recorded],
    counted: Sequence[Bucket],
    patterns: LogPatterns | None,
    attempts: Attempts,
) -> Report | None:
    """The report's content: without the documents that cannot be written, and where none can,
    without what was counted and logged."""
    build = partial(build_report, incident, recorded)
    with suppress(Exception):
        return build(counted=counted, logs=patterns)
    # Once more, one by one: what is wrong is said by the document that it is wrong with.
    alone = Attempts(incident_id=incident.id)
    written = [
        name
        for name in DocumentName
        if alone.made(name.value, partial(build, counted=counted, logs=patterns, only=(name,)))
    ]
    if not written:
        attempts.missing.append(f"{COUNTS} and {_LOGS}")
        return attempts.made("report", build)
    attempts.missing += alone.missing
    return attempts.made("report", partial(build, counted=counted, logs=patterns, only=written))


def _canvas(built: Report, attempts: Attempts) -> Attachment | None:
    found = [one for one in built.documents if one.name is DocumentName.ROLLBACK_REPORT]
    for document in found:
        text = attempts.made(_CANVAS, partial(render_canvas, document))
        if text is not None:
            return _text(built.file_name("canvas.md"), "text/markdown", text)
    return None


def _files(
    built: Report, chart: Chart | None, incident: Incident, attempts: Attempts
) -> Iterator[Attachment]:
    """The rollback report first, because people open the first file."""
    for document in built.documents:
        yield from _pages(built, document, chart.svg if chart else "", attempts)
    text = attempts.made("report.json", lambda: render_json(built))
    if text is not None:
        yield _text(built.file_name("report.json"), "application/json", text)
    if chart and built.chart_file:
        yield Attachment(name=built.chart_file, media_type="image/png", content=chart.png)
    plan = incident.plan
    if plan and built.script_file:
        script = attempts.made(_SCRIPT, plan.script)
        if script is not None:
            yield _text(built.script_file, "text/x-shellscript", script)


def _pages(built: Report, document: Document, svg: str, attempts: Attempts) -> Iterator[Attachment]:
    name = document.name.value
    markdown = attempts.made(f"{name}.md", lambda: render_markdown(document))
    if markdown is not None:
        yield _text(built.file_name(f"{name}.md"), "text/markdown", markdown)
    page = attempts.made(f"{name}.html", lambda: render_html(document, chart=svg))
    if page is not None:
        yield _text(built.file_name(f"{name}.html"), "text/html", page)


def _without_chart(built: Report) -> Report:
    """The report as it is without the picture that it points to."""
    file = built.chart_file or ""
    documents = tuple(
        document.model_copy(
            update={
                "blocks": _blocks(document.blocks, file),
                "sections": tuple(_section(section, file) for section in document.sections),
            }
        )
        for document in built.documents
    )
    return built.model_copy(update={"documents": documents, "chart_file": None})


def _section(section: Section, file: str) -> Section:
    return section.model_copy(update={"blocks": _blocks(section.blocks, file)})


def _blocks(blocks: Sequence[Block], file: str) -> tuple[Block, ...]:
    return tuple(_block(block, file) for block in blocks)


def _block(block: Block, file: str) -> Block:
    if isinstance(block, Image) and block.file == file:
        return paragraph("The chart could not be drawn; the figures stand in the tables.")
    if isinstance(block, Items) and any(item.text == file for item in block.items):
        kept = tuple(item for item in block.items if item.text != file)
        return block.model_copy(update={"items": kept}) if kept else paragraph("None.")
    return block


def _text(name: str, media_type: str, text: str) -> Attachment:
    return Attachment(name=name, media_type=media_type, content=text.encode())


# Write the reports down, owe them to the channel, and free the service.
#
# What cannot be drawn is named and holds up nothing: a report that is owed for ever would keep
# the
# service claimed.

LEAD_IN = timedelta(minutes=10)
"""So much of the time before the detection is shown in the report's chart."""
_LOG = ".log"
"""How the names of saved logs end."""


async def report(context: Context, incident: Incident, lease: Lease) -> None:
    """Duty REPORT: write the reports and their appendix, owe the upload, and free the service."""
    drawn = await draw_report(context, incident)
    published = e.ReportPublished(
        files=tuple(item.name for item in drawn.files),
        canvas=drawn.canvas.name if drawn.canvas else "",
        missing=drawn.missing,
    )
    kept = (*drawn.files, *([drawn.canvas] if drawn.canvas else []))
    decision = Decision(events=(published,), attachments=kept, closes=True)

    def decide(now: Incident) -> Decision | None:
        # Opened again and resolved anew while it was drawn, it needs another report.
        return decision if now.resolved_at == incident.resolved_at else None

    await context.journal.record(incident.id, decide, lease=lease)


async def draw_report(context: Context, incident: Incident) -> Drawn:
    """The report's files from the events and what was saved; the same give the same files.

    What cannot be drawn is missing from them, and named. Raises what the store raises.
    """
    attempts = Attempts(incident_id=incident.id)
    recorded = await context.journal.events(incident.id)
    logs = await _logs(context, incident)
    try:
        counted = await counts(context, incident)
    except Exception:
        attempts.failed(COUNTS)
        counted = ()
    # Drawing takes long enough to delay every other incident's buttons.
    return await asyncio.to_thread(draw, incident, recorded, counted, logs, attempts)


async def counts(context: Context, incident: Incident) -> tuple[Bucket, ...]:
    """What was counted from a little before the incident on; nothing when that is not known."""
    service = incident.declared.service
    noticed = incident.declared.noticed_by(None)
    began = noticed.started_at if noticed else incident.declared.assessed_at
    try:
        series = await context.metrics.series(
            service,
            context.service(service),
            start=began - LEAD_IN,
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
