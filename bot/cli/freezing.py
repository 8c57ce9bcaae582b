"""``frozen`` for pipelines, and ``unfreeze`` for people."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli import work
from bot.cli.options import DEFAULT_CATALOG, ConfigOption, ServiceArgument

ByOption = Annotated[
    str,
    typer.Option(
        "--by", help="Who decides: a release manager or on-call lead, as rollback.yml has them."
    ),
]


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    cli.command()(frozen)
    cli.command()(unfreeze)


def frozen(service: ServiceArgument, config: ConfigOption = DEFAULT_CATALOG) -> None:
    """Say whether deploys of a service are frozen after a rollback; for pipelines.

    Ends with 0 when they are free, 5 when they are frozen, 1 when that cannot be told.
    """
    work.freezing.frozen(service, config=config)


def unfreeze(
    service: ServiceArgument, by: ByOption = "", config: ConfigOption = DEFAULT_CATALOG
) -> None:
    """Lift the deploy freeze of a service, and take its marks away.

    Ends with 0 when it is lifted, 1 when nothing was frozen or you may not.
    """
    work.unfreezing.unfreeze(service, by=by, config=config)
