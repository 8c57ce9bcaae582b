"""The report, as files in the incident's channel."""

from __future__ import annotations

from bot.communication.messages import MessageTable, Outgoing
from bot.communication.outcomes import report_comment, report_missing
from bot.incident import events as e
from bot.store.delivery import Action


def _published(event: e.ReportPublished, to: Outgoing) -> None:
    if not event.files:
        to.post("report", lambda: report_missing(to.incident))
        return
    service = to.incident.declared.service
    to.here(
        "report",
        Action.UPLOAD,
        lambda: {
            "files": list(event.files),
            "comment": report_comment(to.incident),
            "alt_text": f"Error rate of {service} before and after the rollback",
        },
    )
    # A channel that was there before the incident keeps its canvas for its own matters.
    if event.canvas and to.channel is not None and to.channel.dedicated:
        canvas = {"file": event.canvas, "title": f"{to.incident.id}: rollback report"}
        to.here("canvas", Action.CANVAS, lambda: canvas, optional=True)


MESSAGES: MessageTable = {e.ReportPublished: _published}
