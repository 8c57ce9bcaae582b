"""``stats``: the numbers, as a table or as JSON."""

from __future__ import annotations

from pathlib import Path

import typer

from bot.cli.options import Exit
from bot.cli.work.starting import prepared, run_to_exit
from bot.offline import onlooker
from bot.terminal.printing import make_console
from bot.terminal.statistics import statistics, statistics_json, statistics_view


def stats(service: str | None, *, days: int, as_json: bool, config: Path) -> None:
    """Count over the last days, for one service or for all."""

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
