"""What the commands share: their options and exit codes."""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path
from typing import Annotated

import typer

DEFAULT_CATALOG = Path("rollback.yml")
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
