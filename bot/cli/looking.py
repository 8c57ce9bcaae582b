"""Commands that change nothing: ``plan``, ``script``, ``incidents``, ``report``."""

from __future__ import annotations

from pathlib import Path
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
from bot.terminal.formats import ReportFormat

JsonOption = Annotated[bool, typer.Option("--json", help="As JSON; see docs/plan-json.md.")]
OutputOption = Annotated[
    Path, typer.Option("--output", help="The folder to write to; it is created.", file_okay=False)
]
OpenOption = Annotated[bool, typer.Option("--open", help="Only those not yet resolved.")]
FormatOption = Annotated[
    list[ReportFormat] | None,
    typer.Option("--format", help="Only this format; repeat it for more. Without it, all."),
]
AfreshOption = Annotated[
    bool, typer.Option("--afresh", help="As it stands now, also when it was published before.")
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")]


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    for command in (plan, script, incidents, report):
        cli.command()(command)


def plan(
    service: ServiceArgument,
    *,
    strategy: StrategyOption = None,
    to: TargetOption = None,
    only: OnlyOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CATALOG,
) -> None:
    """Show what a rollback would do, and whether it is safe; changes nothing.

    Ends with 0 when the plan is safe, 2 when a preflight blocks it, 1 when there is none.
    """
    wanted = work.looking.Wanted(
        service=service, strategy=strategy, to=to, only=only or (), config=config
    )
    work.looking.plan(wanted, as_json=as_json)


def script(
    service: ServiceArgument,
    *,
    strategy: StrategyOption = None,
    to: TargetOption = None,
    only: OnlyOption = None,
    config: ConfigOption = DEFAULT_CATALOG,
) -> None:
    """Print the shell script that does by hand what the plan does; changes nothing.

    Ends as “plan” does; what blocks the plan is said on standard error.
    """
    wanted = work.looking.Wanted(
        service=service, strategy=strategy, to=to, only=only or (), config=config
    )
    work.looking.script(wanted)


def incidents(
    only_open: OpenOption = False,
    limit: LimitOption = 20,
    config: ConfigOption = DEFAULT_CATALOG,
) -> None:
    """List incidents, the newest first, and where each stands."""
    work.looking.incidents(only_open=only_open, limit=limit, config=config)


def report(
    incident: IncidentArgument,
    output: OutputOption = Path(),
    formats: FormatOption = None,
    afresh: AfreshOption = False,
    config: ConfigOption = DEFAULT_CATALOG,
) -> None:
    """Write an incident's reports, chart and script to a folder.

    A published report is written as it was published; before that, as it stands now.
    """
    work.looking.report(
        incident, output=output, formats=formats or (), afresh=afresh, config=config
    )
