"""``serve``: the bot, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import structlog

from bot.catalog.load import load_catalog
from bot.catalog.settings import read_serve_settings
from bot.catalog.types import variables_of
from bot.cli.work.starting import forget_secrets
from bot.communication.template_samples import check_texts
from bot.core.errors import RollbackBotError
from bot.entry.logs import configure_logging
from bot.entry.serve import Bot

log = structlog.get_logger()


def serve(config: Path) -> None:
    """Serve Slack with this catalog. Raises the RollbackBotError that makes it impossible."""
    settings = read_serve_settings()
    forget_secrets()
    # What goes wrong from here on is logged; the secrets of the catalog are known with it.
    configure_logging(settings)
    catalog = load_catalog(config)
    configure_logging(settings, catalog)
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


async def _until_told_to_stop(bot: Bot) -> None:
    serving = asyncio.create_task(bot.run(), name="serve")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        log.info("stopped; open incidents go on at the next start")
