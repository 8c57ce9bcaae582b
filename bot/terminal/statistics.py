"""Statistics at the terminal: a table for people, one JSON object for programs."""

from __future__ import annotations

import json
from datetime import timedelta

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bot.domain.statistics import Statistics
from bot.pipeline.context import Context
from bot.pipeline.records import Records
from bot.terminal.printing import printable
from bot.views.statistics import figures, title

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
