"""What the store keeps: incidents as a list, and the files of a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from bot.domain.events import Place
from bot.domain.incident import Incident
from bot.domain.values import seconds_between, spoken
from bot.errors import PermanentError
from bot.pipeline.context import Context
from bot.pipeline.reporting import draw_report
from bot.ports.store import Attachment
from bot.terminal.formats import ReportFormat
from bot.terminal.printing import printable
from bot.views.state import headline


async def incidents(context: Context, *, only_open: bool, limit: int) -> list[Incident]:
    """The newest incidents."""
    heads = await context.store.incidents(open_only=only_open, limit=limit)
    return [await context.journal.load(head.id) for head in heads]


def table(found: Sequence[Incident]) -> RenderableType:
    """One row an incident."""
    if not found:
        return Text("There is no such incident in this store (ROLLBACK_DATABASE_URL names it).")
    shown = Table(box=box.SIMPLE_HEAD)
    for name in ("Incident", "Opened (UTC)", "Lasted", "Where"):
        shown.add_column(name, no_wrap=True)
    shown.add_column("State", overflow="fold")
    for incident in found:
        lasted = seconds_between(incident.opened_at, incident.resolved_at)
        shown.add_row(
            Text(incident.id),
            Text(f"{incident.opened_at:%Y-%m-%d %H:%M}"),
            Text("open" if lasted is None else spoken(lasted)),
            Text(_where(incident)),
            Text(printable(headline(incident))),
        )
    return shown


def _where(incident: Incident) -> str:
    if incident.declared.place is Place.TERMINAL:
        return "terminal"
    opened = incident.channel
    return f"#{printable(opened.channel_name or opened.channel_id)}" if opened else "Slack"


async def report_files(
    context: Context,
    incident_id: str,
    *,
    formats: Sequence[ReportFormat] = (),
    afresh: bool = False,
) -> tuple[Attachment, ...]:
    """The published report with its chart and script, or what it would be now.

    All formats unless some are named; ``afresh`` draws a published one again from all events, and
    one that something is missing from is always drawn again. Raises NotFoundError for an unknown
    incident, PermanentError when not one file can be drawn.
    """
    incident = await context.journal.load(incident_id)
    whole = incident.report if incident.report and not incident.report.missing else None
    published = whole.files if whole and not afresh else ()
    kept = [await context.store.attachment(incident_id, name) for name in published]
    found = tuple(file for file in kept if file is not None)
    files = found or (await draw_report(context, incident)).files
    if not files:
        raise PermanentError(
            f"The report of {incident_id} could not be drawn.",
            "The log says why; a newer version of the bot may draw it, the events are all kept.",
        )
    return tuple(f for f in files if not formats or any(one.has(f.name) for one in formats))


def write(files: Sequence[Attachment], folder: Path) -> Iterator[Path]:
    """Write files into a folder; raises PermanentError when that is not possible."""
    for file in files:
        path = folder / Path(file.name).name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)
        except OSError as error:
            raise PermanentError(
                f"{path} cannot be written: {error.strerror}.", "Name another folder with --output."
            ) from error
        yield path
