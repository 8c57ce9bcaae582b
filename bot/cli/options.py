"""What the commands share: their options, exit codes, and how they start."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.config.catalog import Catalog
from bot.config.load import load_catalog
from bot.config.settings import SECRET_VARIABLES, Settings, read_settings
from bot.logs import configure_logging

ServiceArgument = Annotated[
    str, typer.Argument(metavar="SERVICE", help="A service of the catalog.", show_default=False)
]
IncidentArgument = Annotated[
    str, typer.Argument(metavar="INCIDENT", help="Such as INC-2026-001.", show_default=False)
]
ConfigOption = Annotated[Path, typer.Option("--config", help="The catalog of services.")]
StrategyOption = Annotated[
    str | None,
    typer.Option(
        "--strategy", help="One of the service's ways to roll back; default: the first one."
    ),
]
TargetOption = Annotated[
    str | None,
    typer.Option(
        "--to",
        help="A release, colour or revision to go back to; default: the last known good one.",
    ),
]


OnlyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        help="Of a composed rollback only this part, such as rolling, payments/rolling, or "
        "payments for all of its parts; may be repeated.",
    ),
]


class Exit(IntEnum):
    """How a command ends, for scripts."""

    DONE = 0
    ERROR = 1
    BLOCKED = 2
    """The plan is not safe, or it was not approved: nothing was changed."""
    STOPPED = 3
    """Paused, left, or ended before the last step: “rollback-bot resume” goes on."""
    UNPROVEN = 4
    """Every step was done, but recovery is not proven."""
    FROZEN = 5
    """Deploys of the service are to wait."""


class Ended(SystemExit):
    """A command came to its own end."""


def prepared(config: Path) -> tuple[Settings, Catalog]:
    """What every command without Slack begins with.

    Raises ConfigurationError for a wrong environment or catalog.
    """
    settings, catalog = read_settings(), load_catalog(config)
    forget_secrets()
    quiet(settings)
    return settings, catalog


def quiet(settings: Settings) -> None:
    """Log errors alone, unless the environment asks for more: the terminal is for people."""
    if "log_level" not in settings.model_fields_set:
        settings = settings.model_copy(update={"log_level": "error"})
    configure_logging(settings)


def forget_secrets() -> None:
    """Programs that we start, such as a kubeconfig's login helper, need not know our tokens."""
    for name in SECRET_VARIABLES:
        os.environ.pop(name, None)


def run_to_exit(work: Coroutine[Any, Any, Exit]) -> None:
    """Run a command's work and end with its code."""
    raise Ended(int(asyncio.run(work)))
