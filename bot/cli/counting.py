"""``stats``: how fast services recover, and how often releases fail."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli import work
from bot.cli.options import DEFAULT_CATALOG, ConfigOption
from bot.domain.window import WINDOW

ServiceOption = Annotated[
    str | None,
    typer.Option("--service", help="One service of the catalog; default: all.", metavar="SERVICE"),
]
DaysOption = Annotated[int, typer.Option("--days", min=1, max=3650, help="Up to now.")]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON; see docs/home.md.")]


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(stats)


def stats(
    service: ServiceOption = None,
    days: DaysOption = WINDOW.days,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CATALOG,
) -> None:
    """Say how fast services recovered and how often releases failed; changes nothing."""
    work.counting.stats(service, days=days, as_json=as_json, config=config)
