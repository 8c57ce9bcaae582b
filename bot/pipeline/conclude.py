"""Conclude: people's last words, the report, and the end of the claim on the service."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import dropwhile

import structlog

from bot.domain import events as e
from bot.domain.incident import Incident
from bot.domain.recovery import Bucket
from bot.domain.report import build_report
from bot.domain.values import Actor
from bot.errors import RollbackBotError
from bot.pipeline.context import Context
from bot.pipeline.journal import Decision
from bot.ports.store import Attachment, Lease
from bot.views.chart import error_rate_chart
from bot.views.report import render_markdown

log = structlog.get_logger()

LEAD_IN = timedelta(minutes=10)
"""So much of the time before the assessment is shown in the report's chart."""


async def resolve(
    context: Context,
    incident_id: str,
    *,
    conclusion: e.Conclusion,
    actor: Actor,
    request_id: str,
) -> Incident:
    """End an incident. Raises RefusedError while something is running."""
    resolved = e.Resolved(by=actor, conclusion=conclusion)
    return await context.journal.record(
        incident_id, lambda _: Decision(events=(resolved,)), request_id=request_id
    )


async def add_words(
    context: Context, incident_id: str, *, text: str, actor: Actor, request_id: str
) -> Incident:
    """Keep a person's words for the next update."""
    added = e.WordsAdded(by=actor, text=text)
    return await context.journal.record(
        incident_id, lambda _: Decision(events=(added,)), request_id=request_id
    )


async def request_verification(
    context: Context, incident_id: str, *, actor: Actor, request_id: str
) -> Incident:
    """Have the recovery proven again on what is measured from now on."""
    requested = e.VerificationRequested(by=actor)
    return await context.journal.record(
        incident_id, lambda _: Decision(events=(requested,)), request_id=request_id
    )


async def report(context: Context, incident: Incident, lease: Lease) -> None:
    """Duty REPORT: write the report and its appendix, owe the upload, and free the service."""
    attachments = await draw_report(context, incident)
    published = e.ReportPublished(files=tuple(item.name for item in attachments))
    await context.journal.add(
        incident.id, published, lease=lease, attachments=attachments, closes=True
    )


async def draw_report(context: Context, incident: Incident) -> tuple[Attachment, ...]:
    """The report's files from the events alone; the same events give the same files."""
    recorded = await context.journal.events(incident.id)
    built = build_report(incident, recorded, counted=await _counted(context, incident))
    files = [_text(f"{incident.id}-rollback-report.md", "text/markdown", render_markdown(built))]
    if built.chart_file:
        # Drawing takes long enough to delay every other incident's buttons.
        chart = await asyncio.to_thread(error_rate_chart, built)
        files.append(Attachment(name=built.chart_file, media_type="image/png", content=chart))
    if incident.plan:
        script = incident.plan.script()
        files.append(_text(f"{incident.id}-rollback.sh", "text/x-shellscript", script))
    return tuple(files)


async def _counted(context: Context, incident: Incident) -> tuple[Bucket, ...]:
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


def _text(name: str, media_type: str, text: str) -> Attachment:
    return Attachment(name=name, media_type=media_type, content=text.encode())
