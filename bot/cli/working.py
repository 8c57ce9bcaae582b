"""``run`` and ``resume``: the whole journey at the terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli import work
from bot.cli.options import (
    DEFAULT_CATALOG,
    ConfigOption,
    IncidentArgument,
    OnlyOption,
    ServiceArgument,
    StrategyOption,
    TargetOption,
)
from bot.errors import RefusedError

ReasonOption = Annotated[
    str,
    typer.Option("--reason", help="Why, for the record and the report.", show_default=False),
]
ApprovedByOption = Annotated[
    str,
    typer.Option(
        "--approved-by",
        help="Who else agreed; only where the policy lets one person decide (self_approval).",
    ),
]


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    cli.command()(run)
    cli.command()(resume)


def run(
    service: ServiceArgument,
    *,
    reason: ReasonOption,
    strategy: StrategyOption = None,
    to: TargetOption = None,
    only: OnlyOption = None,
    approved_by: ApprovedByOption = "",
    config: ConfigOption = DEFAULT_CATALOG,
) -> None:
    """Roll a service back from this terminal, approved here step by step as in Slack.

    Ctrl-C pauses at the next step boundary. Ends with 0 when recovery is proven, 2 when nothing
    was changed, 3 when it was paused or stopped, 4 when recovery is not proven, 1 on an error.
    """
    if not reason.strip():
        raise RefusedError("The reason is empty.", "Say why with --reason “…”: it is the record.")
    work.working.run(
        service,
        reason=reason.strip(),
        strategy=strategy,
        to=to,
        only=only or (),
        approved_by=approved_by,
        config=config,
    )


def resume(
    incident: IncidentArgument,
    to: TargetOption = None,
    approved_by: ApprovedByOption = "",
    config: ConfigOption = DEFAULT_CATALOG,
) -> None:
    """Go on with an incident where it stands: paused, interrupted, waiting, or unproven.

    It may have begun here or in Slack. Ends as “run” does.
    """
    work.working.resume(incident, to=to, approved_by=approved_by, config=config)
