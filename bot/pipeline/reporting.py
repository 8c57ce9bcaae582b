"""Write the reports down, owe them to the channel, and free the service.

What cannot be drawn is named and holds up nothing: a report that is owed for ever would keep the
service claimed.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import dropwhile

import structlog

from bot.domain import events as e
from bot.domain.incident import Incident
from bot.domain.recovery import Bucket
from bot.errors import RollbackBotError
from bot.pipeline.context import Context
from bot.pipeline.journal import Decision
from bot.pipeline.report_files import COUNTS, Attempts, Drawn, draw
from bot.ports.store import Lease

log = structlog.get_logger()

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
