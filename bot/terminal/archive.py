"""What the store keeps: incidents as a list, and the files of a report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bot.communication.state import headline
from bot.core.defaults import ReportFormat
from bot.core.errors import PermanentError
from bot.core.printable import printable
from bot.core.values import seconds_between, spoken
from bot.engine.context import Context
from bot.home.model import Statistics
from bot.home.records import Records
from bot.home.statistics import figures, title
from bot.incident.events import Place
from bot.incident.state import Incident
from bot.reporting.publish import draw_report
from bot.store.values import Attachment


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


# Statistics at the terminal: a table for people, one JSON object for programs.

FORMAT = "rollback-bot/stats/v1"


async def statistics(context: Context, *, service: str | None, days: int) -> Statistics:
    """The numbers of the last days; raises RefusedError for an unknown service."""
    return await Records().statistics(context, service=service, window=timedelta(days=days))


def statistics_view(found: Statistics) -> RenderableType:
    """A table, and beneath it what is not known and why."""
    table = Table(box=box.SIMPLE_HEAD, title=printable(title(found)), title_justify="left")
    table.add_column("Figure", no_wrap=True)
    table.add_column("Value")
    for name, value in figures(found):
        table.add_row(Text(name), Text(printable(value)))
    return Group(table, *(Text(f"Not known: {printable(reason)}") for reason in found.unknown))


def statistics_json(found: Statistics) -> str:
    """One JSON object; docs/home.md says what the keys mean."""
    content = {
        "format": FORMAT,
        **found.model_dump(mode="json"),
        "change_fail_rate": found.change_fail_rate,
    }
    return json.dumps(content, indent=2, ensure_ascii=False)
