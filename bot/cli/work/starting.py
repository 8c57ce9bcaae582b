"""How a command begins, and how it ends: an error is a sentence, not a traceback."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import structlog

from bot.catalog.catalog import Catalog
from bot.catalog.load import load_catalog
from bot.catalog.settings import SECRET_VARIABLES, Settings, read_settings
from bot.cli.work.options import Ended, Exit
from bot.core.errors import RollbackBotError
from bot.core.mask import masked
from bot.core.printable import here
from bot.entry.logs import configure_logging
from bot.terminal.keyboard import make_console


def prepared(config: Path) -> tuple[Settings, Catalog]:
    """What every command without Slack begins with.

    Raises ConfigurationError for a wrong environment or catalog.
    """
    settings, catalog = read_settings(), load_catalog(config)
    forget_secrets()
    quiet(settings, catalog)
    return settings, catalog


def quiet(settings: Settings, catalog: Catalog | None = None) -> None:
    """Log errors alone, unless the environment asks for more: the terminal is for people."""
    if "log_level" not in settings.model_fields_set:
        settings = settings.model_copy(update={"log_level": "error"})
    configure_logging(settings, catalog)


def forget_secrets() -> None:
    """Programs that we start, such as a kubeconfig's login helper, need not know our tokens."""
    for name in SECRET_VARIABLES:
        os.environ.pop(name, None)


def run_to_exit(work: Coroutine[Any, Any, Exit]) -> None:
    """Run a command's work and end with its code."""
    raise Ended(int(asyncio.run(work)))


log = structlog.get_logger()


def tell(error: Exception) -> None:
    """Say on standard error what is wrong and what to do."""
    if isinstance(error, RollbackBotError):
        _say(here(masked(str(error))))
        return
    # The place of a defect is for those who can mend it; a token may stand in its words, which
    # only our own logging masks.
    if structlog.is_configured():
        log.debug("ended by a defect", exc_info=error)
    _say(
        f"This is a defect of the bot ({type(error).__name__}). What was begun stays recorded: "
        "“rollback-bot incidents” shows it. ROLLBACK_LOG_LEVEL=debug shows where it happened; "
        "report that, please."
    )


def _say(text: str) -> None:
    make_console(errors=True).print(f"rollback-bot: {text}", soft_wrap=True)
