"""How a command begins, and how it ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from bot.cli.options import Ended, Exit
from bot.config.catalog import Catalog
from bot.config.load import load_catalog
from bot.config.settings import SECRET_VARIABLES, Settings, read_settings
from bot.logs import configure_logging


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
