"""The command line."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console

from bot.app import Bot
from bot.config.load import load_catalog
from bot.config.settings import DEFAULT_CATALOG, SECRET_VARIABLES, read_serve_settings
from bot.errors import RollbackBotError
from bot.logs import configure_logging

log = structlog.get_logger()

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    # A pretty traceback would print local variables, and those may hold tokens.
    pretty_exceptions_enable=False,
    help="From a bad release to service restored.",
)
ConfigOption = Annotated[Path, typer.Option("--config", help="The catalog of services.")]


@cli.command()
def serve(config: ConfigOption = DEFAULT_CATALOG) -> None:
    """Run the bot until it is told to stop (SIGTERM or Ctrl-C)."""
    settings = read_serve_settings()
    # Programs that we start, such as a kubeconfig's login helper, need not know our tokens.
    for name in SECRET_VARIABLES:
        os.environ.pop(name, None)
    configure_logging(settings)
    catalog = load_catalog(config)
    asyncio.run(_until_told_to_stop(Bot(settings, catalog)))


@cli.command()
def check(config: ConfigOption = DEFAULT_CATALOG) -> None:
    """Read the catalog and say whether it is right."""
    catalog = load_catalog(config)
    names = ", ".join(sorted(catalog.services))
    Console().print(
        f"{config} is right. Services: {names}.", markup=False, highlight=False, soft_wrap=True
    )


async def _until_told_to_stop(bot: Bot) -> None:
    serving = asyncio.create_task(bot.run(), name="serve")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        log.info("stopped; open incidents go on at the next start")


def main() -> None:
    """Entry point of ``rollback-bot``; an error is a sentence, not a traceback."""
    try:
        cli()
    except RollbackBotError as error:
        Console(stderr=True).print(
            f"rollback-bot: {error}", markup=False, highlight=False, soft_wrap=True
        )
        raise SystemExit(1) from None
