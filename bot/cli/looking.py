"""Commands that change nothing: ``plan``, ``script``, ``incidents``, ``report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bot.cli.options import (
    ConfigOption,
    Exit,
    IncidentArgument,
    OnlyOption,
    ServiceArgument,
    StrategyOption,
    TargetOption,
    prepared,
    run_to_exit,
)
from bot.config.settings import DEFAULT_CATALOG
from bot.domain.events import PlanProposed
from bot.offline import onlooker
from bot.pipeline.prepare import propose
from bot.terminal import archive
from bot.terminal.plan_json import plan_json
from bot.terminal.plans import plan_view
from bot.terminal.printing import make_console

JsonOption = Annotated[bool, typer.Option("--json", help="As JSON; see docs/plan-json.md.")]
OutputOption = Annotated[
    Path, typer.Option("--output", help="The folder to write to; it is created.", file_okay=False)
]
OpenOption = Annotated[bool, typer.Option("--open", help="Only those not yet resolved.")]
FormatOption = Annotated[
    list[archive.ReportFormat] | None,
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

    async def work() -> Exit:
        proposed = await _proposed(service, strategy=strategy, to=to, only=only, config=config)
        if as_json:
            typer.echo(plan_json(proposed))
        else:
            make_console().print(plan_view(proposed))
        return Exit.DONE if proposed.plan.is_safe else Exit.BLOCKED

    run_to_exit(work())


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

    async def work() -> Exit:
        proposed = await _proposed(service, strategy=strategy, to=to, only=only, config=config)
        typer.echo(proposed.plan.script(), nl=False)
        for block in proposed.plan.blocks:
            make_console(errors=True).print(f"Blocked: {block.sentence}", soft_wrap=True)
        return Exit.DONE if proposed.plan.is_safe else Exit.BLOCKED

    run_to_exit(work())


def incidents(
    only_open: OpenOption = False,
    limit: LimitOption = 20,
    config: ConfigOption = DEFAULT_CATALOG,
) -> None:
    """List incidents, the newest first, and where each stands."""

    async def work() -> Exit:
        settings, catalog = prepared(config)
        async with onlooker(settings, catalog) as context:
            found = await archive.incidents(context, only_open=only_open, limit=limit)
            make_console().print(archive.table(found))
        return Exit.DONE

    run_to_exit(work())


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

    async def work() -> Exit:
        settings, catalog = prepared(config)
        async with onlooker(settings, catalog) as context:
            files = await archive.report_files(
                context, incident, formats=formats or (), afresh=afresh
            )
        for path in archive.write(files, output):
            make_console().print(str(path), soft_wrap=True)
        return Exit.DONE

    run_to_exit(work())


async def _proposed(
    service: str, *, strategy: str | None, to: str | None, only: list[str] | None, config: Path
) -> PlanProposed:
    settings, catalog = prepared(config)
    async with onlooker(settings, catalog) as context:
        chosen = context.strategy_for(service, strategy)
        return await propose(context, service, strategy=chosen, target=to, parts=only or ())
