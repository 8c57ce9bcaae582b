"""``serve`` and ``check``."""

from __future__ import annotations

import asyncio
import os
import signal

import structlog
import typer

from bot.app import Bot
from bot.cli.options import ConfigOption, forget_secrets
from bot.config.load import load_catalog
from bot.config.secrets import variables_of
from bot.config.settings import DEFAULT_CATALOG, read_serve_settings
from bot.errors import RollbackBotError
from bot.logs import configure_logging
from bot.pipeline.texts_check import check_texts
from bot.terminal.printing import make_console

log = structlog.get_logger()


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    cli.command()(serve)
    cli.command()(check)


def serve(config: ConfigOption = DEFAULT_CATALOG) -> None:
    """Run the bot until it is told to stop (SIGTERM or Ctrl-C)."""
    settings = read_serve_settings()
    forget_secrets()
    configure_logging(settings)
    catalog = load_catalog(config)
    if catalog.texts is not None:
        # The built-in texts are no different from when they were tested.
        check_texts(catalog)
    unset = [name for name in variables_of(catalog) if not os.environ.get(name)]
    if unset:
        # Each place fails alone when it is needed; here it is told while there is time.
        log.warning("environment variables that the catalog names are not set", names=unset)
    try:
        asyncio.run(_until_told_to_stop(Bot(settings, catalog)))
    except RollbackBotError:
        raise
    except Exception:
        log.exception("ended by a defect; open incidents go on at the next start")
        raise


def check(config: ConfigOption = DEFAULT_CATALOG) -> None:
    """Read the catalog and its texts and say whether they are right; needs no network.

    Also names the environment variables that the bot will need, set or not.
    """
    catalog = load_catalog(config)
    check_texts(catalog)
    names = ", ".join(sorted(catalog.services))
    console = make_console()
    console.print(f"{config} is right. Services: {names}.", soft_wrap=True)
    if wanted := variables_of(catalog):
        console.print(f"The bot will need: {', '.join(wanted)}.", soft_wrap=True)


async def _until_told_to_stop(bot: Bot) -> None:
    serving = asyncio.create_task(bot.run(), name="serve")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        log.info("stopped; open incidents go on at the next start")
