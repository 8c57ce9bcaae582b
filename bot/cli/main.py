"""The command line: every command with its options; what each does is in ``bot.cli.work``."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Annotated

import typer

from bot.cli import work
from bot.cli.work.options import (
    DEFAULT_CATALOG,
    ConfigOption,
    Ended,
    Exit,
    IncidentArgument,
    OnlyOption,
    ServiceArgument,
    StrategyOption,
    TargetOption,
)
from bot.core.defaults import WINDOW, ReportFormat
from bot.core.errors import RefusedError

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    # A pretty traceback would print local variables, and those may hold tokens.
    pretty_exceptions_enable=False,
    help="From a bad release to service restored.",
    epilog="The day Slack is down: plan, run, resume, report. They need no SLACK_* variable.",
)


@cli.command()
def serve(config: ConfigOption = DEFAULT_CATALOG) -> None:
    """Run the bot until it is told to stop (SIGTERM or Ctrl-C)."""
    work.serving.serve(config)


@cli.command()
def check(config: ConfigOption = DEFAULT_CATALOG) -> None:
    """Read the catalog and its texts and say whether they are right; needs no network.

    Also names the environment variables that the bot will need, set or not.
    """
    work.catalog.check(config)


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


@cli.command()
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
    work.at_terminal.run(
        service,
        reason=reason.strip(),
        strategy=strategy,
        to=to,
        only=only or (),
        approved_by=approved_by,
        config=config,
    )


@cli.command()
def resume(
    incident: IncidentArgument,
    to: TargetOption = None,
    approved_by: ApprovedByOption = "",
    config: ConfigOption = DEFAULT_CATALOG,
) -> None:
    """Go on with an incident where it stands: paused, interrupted, waiting, or unproven.

    It may have begun here or in Slack. Ends as “run” does.
    """
    work.at_terminal.resume(incident, to=to, approved_by=approved_by, config=config)


PlanJsonOption = Annotated[bool, typer.Option("--json", help="As JSON; see docs/plan-json.md.")]
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


@cli.command()
def plan(
    service: ServiceArgument,
    *,
    strategy: StrategyOption = None,
    to: TargetOption = None,
    only: OnlyOption = None,
    as_json: PlanJsonOption = False,
    config: ConfigOption = DEFAULT_CATALOG,
) -> None:
    """Show what a rollback would do, and whether it is safe; changes nothing.

    Ends with 0 when the plan is safe, 2 when a preflight blocks it, 1 when there is none.
    """
    wanted = work.at_terminal.Wanted(
        service=service, strategy=strategy, to=to, only=only or (), config=config
    )
    work.at_terminal.plan(wanted, as_json=as_json)


@cli.command()
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
    wanted = work.at_terminal.Wanted(
        service=service, strategy=strategy, to=to, only=only or (), config=config
    )
    work.at_terminal.script(wanted)


@cli.command()
def incidents(
    only_open: OpenOption = False,
    limit: LimitOption = 20,
    config: ConfigOption = DEFAULT_CATALOG,
) -> None:
    """List incidents, the newest first, and where each stands."""
    work.at_terminal.incidents(only_open=only_open, limit=limit, config=config)


@cli.command()
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
    work.at_terminal.report(
        incident, output=output, formats=formats or (), afresh=afresh, config=config
    )


ByOption = Annotated[
    str,
    typer.Option(
        "--by", help="Who decides: a release manager or on-call lead, as rollback.yml has them."
    ),
]


@cli.command()
def frozen(service: ServiceArgument, config: ConfigOption = DEFAULT_CATALOG) -> None:
    """Say whether deploys of a service are frozen after a rollback; for pipelines.

    Ends with 0 when they are free, 5 when they are frozen, 1 when that cannot be told.
    """
    work.at_terminal.frozen(service, config=config)


@cli.command()
def unfreeze(
    service: ServiceArgument, by: ByOption = "", config: ConfigOption = DEFAULT_CATALOG
) -> None:
    """Lift the deploy freeze of a service, and take its marks away.

    Ends with 0 when it is lifted, 1 when nothing was frozen or you may not.
    """
    work.at_terminal.unfreeze(service, by=by, config=config)


ServiceOption = Annotated[
    str | None,
    typer.Option("--service", help="One service of the catalog; default: all.", metavar="SERVICE"),
]
DaysOption = Annotated[int, typer.Option("--days", min=1, max=3650, help="Up to now.")]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON; see docs/home.md.")]


@cli.command()
def stats(
    service: ServiceOption = None,
    days: DaysOption = WINDOW.days,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CATALOG,
) -> None:
    """Say how fast services recovered and how often releases failed; changes nothing."""
    work.at_terminal.stats(service, days=days, as_json=as_json, config=config)


@cli.command()
def doctor(config: ConfigOption = DEFAULT_CATALOG) -> None:
    """Try everything that the settings and the catalog name; changes and sends nothing.

    Slack, store, secrets, texts, destinations, GitHub, cluster, rights, metrics: one line each,
    with what to do next. Ends with 1 when something failed.
    """
    work.examining.doctor(config)


@cli.command()
def schema(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="The same as a page for people.")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Of a report's JSON instead, for programs.")
    ] = False,
) -> None:
    """Print the JSON Schema of rollback.yml, with which editors complete and explain it."""
    if markdown and report:
        raise RefusedError("A report's schema has no page for people.", "Leave one option out.")
    if markdown:
        typer.echo(work.catalog.page(), nl=False)
        return
    typer.echo(work.catalog.schema(of_report=report))


def main() -> None:
    """Entry point of ``rollback-bot``."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Names from outside may hold what this terminal cannot show.
            stream.reconfigure(errors="backslashreplace")
    try:
        cli()
    except Ended:
        raise
    except SystemExit as ending:
        # For what cannot be understood, the library ends with 2: here, that is a blocked plan.
        raise SystemExit(Exit.ERROR if ending.code else Exit.DONE) from None
    except Exception as error:
        work.starting.tell(error)
        raise SystemExit(Exit.ERROR) from None
