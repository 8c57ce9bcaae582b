"""``doctor``: is everything as the bot needs it?"""

from __future__ import annotations

import typer

from bot.cli import work
from bot.cli.options import DEFAULT_CATALOG, ConfigOption


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(doctor)


def doctor(config: ConfigOption = DEFAULT_CATALOG) -> None:
    """Try everything that the settings and the catalog name; changes and sends nothing.

    Slack, store, secrets, texts, destinations, GitHub, cluster, rights, metrics: one line each,
    with what to do next. Ends with 1 when something failed.
    """
    work.examining.doctor(config)
