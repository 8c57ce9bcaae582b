"""``serve`` and ``check``."""

from __future__ import annotations

import typer

from bot.cli import work
from bot.cli.options import DEFAULT_CATALOG, ConfigOption


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    cli.command()(serve)
    cli.command()(check)


def serve(config: ConfigOption = DEFAULT_CATALOG) -> None:
    """Run the bot until it is told to stop (SIGTERM or Ctrl-C)."""
    work.serving.serve(config)


def check(config: ConfigOption = DEFAULT_CATALOG) -> None:
    """Read the catalog and its texts and say whether they are right; needs no network.

    Also names the environment variables that the bot will need, set or not.
    """
    work.checking.check(config)
