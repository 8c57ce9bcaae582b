"""``stats``: how fast services recover, and how often releases fail."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli.options import ConfigOption, Exit, prepared, run_to_exit
from bot.config.settings import DEFAULT_CATALOG
from bot.domain.statistics import WINDOW
from bot.offline import onlooker
from bot.terminal.printing import make_console
from bot.terminal.statistics import statistics, statistics_json, statistics_view

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

    async def work() -> Exit:
        settings, catalog = prepared(config)
        async with onlooker(settings, catalog) as context:
            found = await statistics(context, service=service, days=days)
        if as_json:
            typer.echo(statistics_json(found))
        else:
            make_console().print(statistics_view(found))
        return Exit.DONE

    run_to_exit(work())
