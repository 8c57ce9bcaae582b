"""``plan``, ``script``, ``incidents``, ``report``: they look, and change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from bot.cli.options import Exit
from bot.cli.work.starting import prepared, run_to_exit
from bot.domain.events import PlanProposed
from bot.offline import onlooker
from bot.pipeline.prepare import propose
from bot.terminal import archive
from bot.terminal.formats import ReportFormat
from bot.terminal.plan_json import plan_json
from bot.terminal.plans import plan_view
from bot.terminal.printing import make_console


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The plan that is asked for."""

    service: str
    strategy: str | None
    to: str | None
    only: Sequence[str]
    config: Path


def plan(wanted: Wanted, *, as_json: bool) -> None:
    """Show it to people, or to programs."""

    async def work() -> Exit:
        proposed = await _proposed(wanted)
        if as_json:
            typer.echo(plan_json(proposed))
        else:
            make_console().print(plan_view(proposed))
        return Exit.DONE if proposed.plan.is_safe else Exit.BLOCKED

    run_to_exit(work())


def script(wanted: Wanted) -> None:
    """Print it as commands for a shell."""

    async def work() -> Exit:
        proposed = await _proposed(wanted)
        typer.echo(proposed.plan.script(), nl=False)
        for block in proposed.plan.blocks:
            make_console(errors=True).print(f"Blocked: {block.sentence}", soft_wrap=True)
        return Exit.DONE if proposed.plan.is_safe else Exit.BLOCKED

    run_to_exit(work())


def incidents(*, only_open: bool, limit: int, config: Path) -> None:
    """List them as a table."""

    async def work() -> Exit:
        settings, catalog = prepared(config)
        async with onlooker(settings, catalog) as context:
            found = await archive.incidents(context, only_open=only_open, limit=limit)
            make_console().print(archive.table(found))
        return Exit.DONE

    run_to_exit(work())


def report(
    incident: str,
    *,
    output: Path,
    formats: Sequence[ReportFormat],
    afresh: bool,
    config: Path,
) -> None:
    """Write the files, and print where each is."""

    async def work() -> Exit:
        settings, catalog = prepared(config)
        async with onlooker(settings, catalog) as context:
            files = await archive.report_files(context, incident, formats=formats, afresh=afresh)
        for path in archive.write(files, output):
            make_console().print(str(path), soft_wrap=True)
        return Exit.DONE

    run_to_exit(work())


async def _proposed(wanted: Wanted) -> PlanProposed:
    settings, catalog = prepared(wanted.config)
    async with onlooker(settings, catalog) as context:
        chosen = context.strategy_for(wanted.service, wanted.strategy)
        return await propose(
            context, wanted.service, strategy=chosen, target=wanted.to, parts=wanted.only
        )
